"""A share of the training rows, for a learning curve."""

from __future__ import annotations

import pytest
from gaslamp.train.share import take_share

ROWS = [{"id": f"row {n}", "text": str(n)} for n in range(40)]


@pytest.mark.parametrize(("share", "count"), [(1.0, 40), (0.5, 20), (0.25, 10), (0.1, 4), (0.001, 1), (0.33, 14)])
def test_so_many_rows_in_their_order(share: float, count: int) -> None:
    taken = take_share(ROWS, share)
    assert len(taken) == count and taken == [row for row in ROWS if row in taken]


def test_a_smaller_share_is_a_part_of_a_larger_one() -> None:
    shares = [{row["id"] for row in take_share(ROWS, share)} for share in (0.1, 0.25, 0.5, 1.0)]
    assert shares[0] < shares[1] < shares[2] < shares[3]
    assert shares[1] != {row["id"] for row in ROWS[:10]}, "not the first rows: a file may be sorted"


def test_a_row_more_changes_little() -> None:
    before = {row["id"] for row in take_share(ROWS, 0.5)}
    after = {row["id"] for row in take_share([{"id": "new", "text": ""}, *ROWS], 0.5)}
    assert len(before - after) <= 1
    assert take_share([], 0.5) == [] and len(take_share(ROWS[:1], 0.1)) == 1
    twins = [{"id": "same"}] * 4
    assert len(take_share(twins, 0.5)) == 2

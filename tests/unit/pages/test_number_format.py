"""Figures as the pages print them."""

from __future__ import annotations

import pytest
from gaslamp.pages.numbers import join_units


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("JSON 0.0 % -> 93.5 % on 200 rows", "JSON 0.0\u00a0% -> 93.5\u00a0% on 200 rows"),
        ("105 MB, 3 points, 12 min, 5 s", "105\u00a0MB, 3\u00a0points, 12\u00a0min, 5\u00a0s"),
        ("5 score points and a % sign", "5 score points and a % sign"),
        ("", ""),
    ],
)
def test_a_figure_and_its_unit_stay_on_one_line(text: str, joined: str) -> None:
    assert join_units(text) == joined

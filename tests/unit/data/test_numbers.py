"""Where a JSON text may hold numbers that a fast reader changes, found by one look at all of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from gaslamp.data.readers.numbers import may_lose, scan
from test_sources import divide, get_data

PARTS = [
    b'"',
    b":",
    b" ",
    b"[",
    b"1",
    b"-",
    b".5",
    b"a",
    b"12345678901234567890",
    b",",
    b"{",
    b"}",
    b"\n",
    b'" :',
    b"\t",
]


def test_a_scan_finds_what_counting_and_searching_find() -> None:
    draw = random.Random(1)
    risky = 0
    for _ in range(20_000):
        data = b"".join(draw.choices(PARTS, k=draw.randrange(14)))
        assert scan(data) == (data.count(b'":') + data.count(b'" :'), may_lose(data)), data
        risky += may_lose(data)
    assert risky > 500, "both answers occur"


@pytest.mark.parametrize("line", ['{"q":"a","a":"b","n":1.50}', '{"q" : "a", "a" : "b", "n" : 1.50}'])
def test_a_number_is_kept_as_written_however_its_key_is_spaced(tmp_path: Path, line: str) -> None:
    rows = [
        line.replace('"a"', f'"a{number}"', 1).replace("q", "question").replace('"a"', '"answer"')
        for number in range(12)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    divide(tmp_path / "work", get_data(tmp_path / "rows.jsonl"))
    written = (tmp_path / "work" / "train.jsonl").read_text().splitlines()
    assert len(written) > 5 and all('"columns":{"n":1.50}' in row for row in written)

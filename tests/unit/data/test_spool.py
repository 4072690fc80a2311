"""How rows are divided: the same files as ever for the same input, in blocks of any size, and in flat memory."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gaslamp.data import row_index
from gaslamp.data import spool as spool_module
from gaslamp.data.conversion import SPLITS, Converted
from gaslamp.data.row_index import FIELDS, find_originals, find_repeats, make_records
from gaslamp.data.spool import Spool

Case = tuple[int, float, int, str, dict[str, Any]]
CASES: dict[
    str, Case
] = {  # rows, share of repeats, groups, splits that rows name ("tvs": train, valid, test), settings
    "ten": (10, 0.1, 0, "", {}),
    "a few": (23, 0.1, 0, "", {}),
    "plain": (3000, 0.1, 0, "", {}),
    "mostly repeats": (8000, 0.7, 0, "", {}),
    "large groups": (5000, 0.2, 6, "", {}),
    "groups over max_test": (4000, 0.0, 40, "", {"test": 0.3, "max_test": 60}),
    "max_test": (20_000, 0.5, 0, "", {"test": 0.4, "max_test": 50}),
    "splits": (3000, 0.1, 0, "tvs", {}),
    "no test": (3000, 0.1, 0, "tv", {}),
    "train alone": (3000, 0.1, 0, "t", {}),
    "train alone, groups": (3000, 0.1, 9, "t", {}),
    "train alone, few": (20, 0.1, 0, "t", {}),
    "no validation": (300, 0.1, 0, "", {"valid": 0.0}),
    "too few for both": (300, 0.1, 50, "", {"test": 0.001, "valid": 0.001}),
}
FILES = {  # hash of the files; rows of each split, duplicates, dropped, test rows from training
    "ten": ("f6fa07f7aacec8ce", [6, 1, 2, 1, 0, 0]),
    "a few": ("efb988e1a4905421", [15, 1, 4, 3, 0, 0]),
    "plain": ("8f164d22e8d32c37", [2166, 145, 200, 276, 213, 0]),
    "mostly repeats": ("370f89024abf2e7e", [3732, 268, 200, 3260, 540, 0]),
    "large groups": ("b6c5b7f1e1667027", [679, 0, 200, 891, 3230, 0]),
    "groups over max_test": ("d87988208cf352cb", [2882, 97, 60, 0, 961, 0]),
    "max_test": ("9820975868ab2b48", [7220, 653, 50, 6669, 5408, 0]),
    "splits": ("6499985dd0863709", [900, 929, 200, 280, 691, 0]),
    "no test": ("32132690b3c85d2b", [1137, 1365, 200, 298, 0, 200]),
    "train alone": ("4410bf8e0ab7ca59", [2137, 365, 200, 298, 0, 200]),
    "train alone, groups": ("9fbaafe27ad47968", [2407, 0, 200, 284, 109, 200]),
    "train alone, few": ("b41fa774cf7b1f51", [14, 1, 3, 2, 0, 3]),
    "no validation": ("6a150d44f1f46745", [230, 0, 41, 29, 0, 0]),
    "too few for both": ("1878edc8f2fc776d", [243, 5, 30, 22, 0, 0]),
}


def make_chunks(case: Case) -> list[Converted]:
    """The rows of a case in chunks of three files."""
    chunk = 700
    count, share, groups, splits, _ = case
    draw = random.Random(1)
    chunks = []
    for start in range(0, count, chunk):
        rows = Converted(f"file{start // chunk % 3}.jsonl, line")
        digests, questions = [], []
        for number in range(start, min(count, start + chunk)):
            name = draw.randrange(max(1, number)) if draw.random() < share else number
            digest = hashlib.md5(b"row%d" % name).digest()
            group = draw.randrange(groups) if groups else name
            digests.append(digest)
            questions.append(hashlib.md5(b"question%d" % group).digest()[:8])
            rows.lines.append(b'{"id":"%s","text":"%s"}\n' % (digest[:8].hex().encode(), b"x" * (name % 90)))
            rows.numbers.append(number + 1)
        rows.digests, rows.questions = b"".join(digests), b"".join(questions)
        rows.splits = bytes(1 + "tvs".index(draw.choice(splits)) if splits else 0 for _ in rows.lines)
        rows.read = len(rows.lines)
        chunks.append(rows)
    return chunks


def divide(folder: Path, case: Case) -> Spool:
    """The finished spool of a case."""
    folder.mkdir()
    settings = SimpleNamespace(**{"test": 0.15, "valid": 0.05, "max_test": 200, "seed": 3407, **case[4]})
    spool = Spool(folder, settings, bool(case[3]))
    for rows in make_chunks(case):
        spool.add(rows)
    spool.finish()
    return spool


def get_files(spool: Spool) -> tuple[str, list[int]]:
    """Hash of every line with its place in every split; rows of each, duplicates, dropped, test rows from training."""
    found = hashlib.sha256()
    for split in SPLITS:
        for line, place in spool._read_lines(split):
            found.update(line + place.encode() + b"\n")
        assert sum(1 for _ in spool.read(split)) == spool.counts[split]
    counts = [*spool.counts.values(), spool.duplicates, spool.dropped, spool.test_from_train]
    return found.hexdigest()[:16], counts


@pytest.mark.parametrize("name", CASES)
def test_the_same_input_gives_the_same_files(tmp_path: Path, name: str) -> None:
    """Pinned: a project that is prepared again by a later version has the same splits."""
    assert get_files(divide(tmp_path / "work", CASES[name])) == FILES[name]
    assert sorted(file.name for file in (tmp_path / "work").iterdir()) == sorted(
        f"{split}.{kind}" for split in SPLITS for kind in ("jsonl", "places")
    ), "nothing else stays on the disk"


@pytest.mark.parametrize("name", CASES)
def test_blocks_of_any_size_give_the_same_files(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_index, "BLOCK", 256)
    monkeypatch.setattr(row_index, "PARTITION", 500)
    monkeypatch.setattr(row_index, "PARTS", 5)
    monkeypatch.setattr(spool_module, "PIECE", 1000)
    assert get_files(divide(tmp_path / "work", CASES[name])) == FILES[name]


@pytest.mark.parametrize("parts", [1, 3, 512])
def test_repeats_are_all_rows_but_the_first_of_their_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setattr(row_index, "BLOCK", 1024)
    monkeypatch.setattr(row_index, "PARTITION", 2000)
    monkeypatch.setattr(row_index, "PARTS", parts)
    draw = random.Random(1)
    half = draw.randbytes(8)
    pool = [draw.randbytes(16) for _ in range(3000)] + [bytes(16)] + [half + draw.randbytes(8) for _ in range(50)]
    pool += [draw.randbytes(8) + half for _ in range(50)]
    digests = draw.choices(pool, k=12_000)
    records = make_records(len(digests), FIELDS)
    records["low"] = [int.from_bytes(digest[:8], "little") for digest in digests]
    records["high"] = [int.from_bytes(digest[8:], "little") for digest in digests]
    records["number"] = range(len(digests))
    (tmp_path / "index").write_bytes(records.tobytes())
    first = {digest: number for number, digest in reversed(list(enumerate(digests)))}
    wanted = [first[digest] != number for number, digest in enumerate(digests)]

    repeats = find_repeats(tmp_path / "index", len(digests))
    assert repeats.get_mask(0, len(digests)).tolist() == wanted and repeats.count == sum(wanted)
    assert repeats.get_mask(1024, 3).tolist() == wanted[1024:1027]
    lowest = [number for number, repeated in enumerate(wanted) if repeated]
    assert repeats.get_first(20) == lowest[:20] and repeats.get_first(10**6) == lowest
    pairs = find_originals(tmp_path / "index", lowest[:50])
    assert [(a["number"], b["number"]) for a, b in pairs] == [(n, first[digests[n]]) for n in lowest[:50]]


def test_a_repeat_is_named_with_what_it_repeats_though_that_is_over_max_test(tmp_path: Path) -> None:
    spool = divide(tmp_path / "work", (400, 0.0, 0, "s", {"max_test": 3}))
    assert spool.dropped == 397 and list(spool.find_repeated()) == []
    rows = make_chunks((5, 0.0, 0, "", {}))[0]
    again = Spool(tmp_path, SimpleNamespace(test=1.0, valid=0.0, max_test=2, seed=1), by_column=False)
    again.add(rows)
    again.add(rows)
    again.finish()
    assert again.duplicates == 5 and again.dropped == 3
    assert list(again.find_repeated()) == [
        (f"file0.jsonl, line {n}", f"is exactly the same as file0.jsonl, line {n}") for n in range(1, 6)
    ]


def test_rows_are_appended_and_dropped_with_their_places(tmp_path: Path) -> None:
    spool = divide(tmp_path / "work", CASES["plain"])
    before = list(spool._read_lines("train"))
    spool.append("train", b'{"id":"new"}\n', "rehearsal, row", 7)
    spool.drop("train", [0, 5, 1500])
    after = list(spool._read_lines("train"))
    assert after == [*before[1:5], *before[6:1500], *before[1501:], (b'{"id":"new"}\n', "rehearsal, row 7")]
    assert spool.counts["train"] == len(after)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the rows cost less than half a byte for each of them (the bit that marks a repeat, and its reading)."""
    monkeypatch.setattr(row_index, "BLOCK", 1024)
    monkeypatch.setattr(row_index, "PARTITION", 2048)
    monkeypatch.setattr(spool_module, "PIECE", 50_000)
    peaks = []
    for count in (8_000, 80_000):
        case: Case = (count, 0.02, 0, "t", {})
        folder = tmp_path / str(count)
        folder.mkdir()
        settings = SimpleNamespace(test=0.15, valid=0.5, max_test=200, seed=3407)
        spool = Spool(folder, settings, by_column=True)
        chunks = make_chunks(case)
        tracemalloc.start()
        for rows in chunks:
            spool.add(rows)
        spool.finish()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert spool.counts["valid"] > count // 3, "rows move to another split without being held"
    assert peaks[1] - peaks[0] < 0.5 * 72_000, peaks

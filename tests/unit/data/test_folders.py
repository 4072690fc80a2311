"""Folders and archives: what is read of them, and that everything else is named."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.files import read_chunks

CSV = "question,answer\n" + "".join(f"What is item {n}?,Thing {7 * n}\n" for n in range(8))
FILES = {
    "a.csv": CSV,
    "a.csv.bak": CSV,
    "b.csv~": CSV,
    "c.jsonl.part": CSV,
    "notes.xyz": "no table, but some words",
    "export.dat": CSV,
    ".DS_Store": "x",
    "~$mails.xlsx": "x",
    "README.md": "# about",
    "cat.png": "x",
    "dataset_infos.json": "{}",
}
SAID = [
    "not read, as documents next to tables: {}README.md",
    "not read, as copies or unfinished files: {0}a.csv.bak, {0}b.csv~, {0}c.jsonl.part",
    "not read, as their endings name no data: {}notes.xyz",
    "not read, though they hold rows (give them an ending: .csv, .jsonl ...): {}export.dat",
]


def pack(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, text in files.items():
            out.writestr(name, text)
    return buffer.getvalue()


def read(source: Path) -> tuple[int, list[str], list[str]]:
    """How many rows, from which files, and the notes."""
    notes: list[str] = []
    chunks = list(read_chunks(source, notes=notes))
    return sum(1 for chunk in chunks for _ in chunk.read([])), [chunk.label for chunk in chunks], notes


def test_what_is_not_read_of_a_folder_is_named(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    count, labels, notes = read(tmp_path)
    assert (count, labels) == (8, ["a.csv, line"])
    hidden = "not read, hidden files, lock files and notes: .DS_Store, dataset_infos.json, ~$mails.xlsx"
    assert notes == [*(text.format("") for text in SAID), hidden]


def test_what_is_not_read_of_an_archive_is_named(tmp_path: Path) -> None:
    file = tmp_path / "set.zip"
    file.write_bytes(pack({**FILES, "__MACOSX/._a.csv": "x"}))
    count, labels, notes = read(file)
    assert (count, labels) == (8, ["set.zip/a.csv, line"])
    assert {text.format("set.zip/") for text in SAID} <= set(notes)
    assert any("set.zip/~$mails.xlsx" in text and "set.zip/__MACOSX/._a.csv" in text for text in notes)


def test_an_archive_in_an_archive(tmp_path: Path) -> None:
    inner = pack({"b.csv": CSV, "old.tmp": "x"})
    (tmp_path / "set.zip").write_bytes(pack({"a.csv": CSV, "more/inner.zip": inner}))
    count, labels, notes = read(tmp_path / "set.zip")
    assert count == 16 and labels == ["set.zip/a.csv, line", "set.zip/more/inner.zip/b.csv, line"]
    assert notes == ["not read, as copies or unfinished files: set.zip/more/inner.zip/old.tmp"]
    (tmp_path / "only.zip").write_bytes(pack({"inner.zip": inner}))
    assert read(tmp_path / "only.zip")[0] == 8
    for _ in range(3):
        inner = pack({"inner.zip": inner})
    (tmp_path / "deep.zip").write_bytes(pack({"inner.zip": inner}))
    with pytest.raises(GaslampError, match="archives stand in archives more than 3 deep"):
        read(tmp_path / "deep.zip")
    (tmp_path / "none.zip").write_bytes(pack({"inner.zip": pack({"a.xyz": "x"})}))
    with pytest.raises(GaslampError, match="has no data file: it holds inner.zip"):
        read(tmp_path / "none.zip")


def test_many_names_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    for number in range(9):
        (tmp_path / f"n{number}.log").write_text("no rows")
    assert read(tmp_path)[2] == [
        "not read, as their endings name no data: n0.log, n1.log, n2.log, n3.log, n4.log, n5.log and 3 more (3 .log)"
    ]

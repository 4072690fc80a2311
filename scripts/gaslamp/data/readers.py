"""Rows from files, each with the place it came from; every unreadable line is collected, none is skipped in silence."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaslamp.errors import GaslampError

Placed = tuple[str, dict[str, Any]]  # ("orders.csv, row 3", {...})


def read_rows(source: Path, problems: list[str]) -> list[Placed]:
    """All rows of a file or of every readable file in a folder.

    Args:
        source: a .jsonl, .json, .csv, .tsv or .parquet file, or a folder of them.
        problems: receives one line for every row that cannot be read.

    Raises:
        GaslampError: another kind of file, or one that is no text.
    """
    if source.is_dir():
        files = sorted(file for file in source.rglob("*") if file.suffix.lower() in READERS)
        if not files:
            raise GaslampError(f"{source} has no data files", f"put a file there that ends in {', '.join(READERS)}")
    else:
        files = [source]
    rows: list[Placed] = []
    for file in files:
        reader = READERS.get(file.suffix.lower())
        if reader is None:
            raise GaslampError(
                f"{file}: files that end in '{file.suffix}' cannot be read",
                f"save it as one of {', '.join(READERS)}",
                "it is one of these under another name: rename it",
            )
        rows.extend(reader(file, problems))
    return rows


def _read_text(file: Path) -> str:
    data = file.read_bytes()
    if not data.strip():
        raise GaslampError(f"{file} is empty", "put rows into it, or set data.source to another file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise GaslampError(
            f"{file}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8",
            f"save it as UTF-8 (iconv -f latin1 -t utf-8 {file.name} > new{file.suffix})",
            "it is no text file: check what it is with `file`",
        ) from error


def _read_jsonl(file: Path, problems: list[str]) -> list[Placed]:
    rows = []
    for number, line in enumerate(_read_text(file).split("\n"), 1):  # not splitlines: U+2028 in a text ends no row
        if not line.strip():
            continue
        place = f"{file.name}, line {number}"
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(f"{place}: not valid JSON ({error.msg} at column {error.colno})")
            continue
        if isinstance(value, dict):
            rows.append((place, value))
        else:
            problems.append(f"{place}: a row must be an object {{...}}, found {type(value).__name__}")
    return rows


def _read_json(file: Path, problems: list[str]) -> list[Placed]:
    try:
        value = json.loads(_read_text(file))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # one object a line under the wrong name
            return _read_jsonl(file, problems)
        raise GaslampError(
            f"{file}, line {error.lineno}: not valid JSON ({error.msg})", "mend that line, or save one object a line as .jsonl"
        ) from error
    if isinstance(value, dict):  # {"data": [...]}
        lists = [item for item in value.values() if isinstance(item, list)]
        value = lists[0] if len(lists) == 1 else [value]
    rows = []
    for number, item in enumerate(value if isinstance(value, list) else [], 1):
        if isinstance(item, dict):
            rows.append((f"{file.name}, item {number}", item))
        else:
            problems.append(f"{file.name}, item {number}: a row must be an object {{...}}, found {type(item).__name__}")
    return rows


def _read_csv(file: Path, problems: list[str], delimiter: str = ",") -> list[Placed]:
    text = _read_text(file)
    if delimiter == "," and ";" in text.split("\n", 1)[0] and "," not in text.split("\n", 1)[0]:
        delimiter = ";"  # what spreadsheets write in half of Europe
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Placed] = []
    header: list[str] = []
    try:
        header = [name.strip() for name in next(reader)]
        for cells in reader:
            place = f"{file.name}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                problems.append(f"{place}: {len(cells)} cells, but the header has {len(header)}")
                continue
            rows.append((place, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        problems.append(f"{file.name}, line {reader.line_num}: {error} (a quote that is opened must be closed)")
    return rows


def _read_parquet(file: Path, problems: list[str]) -> list[Placed]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(file)
    except pyarrow.ArrowInvalid as error:
        raise GaslampError(f"{file} is not a readable parquet file: {str(error)[:200]}", "write it again; it may have been cut off") from error
    return [(f"{file.name}, row {number}", row) for number, row in enumerate(table.to_pylist(), 1)]


READERS: dict[str, Callable[[Path, list[str]], list[Placed]]] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": lambda file, problems: _read_csv(file, problems, "\t"),
    ".parquet": _read_parquet,
}

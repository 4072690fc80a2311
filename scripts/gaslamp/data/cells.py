"""Cells as text, and columns by name: what all formats share. Text is kept byte for byte."""

from __future__ import annotations

import json
from typing import Any

from gaslamp.data.readers.numbers import read_float, read_int, write_json
from gaslamp.data.readers.python_repr import parse_repr
from gaslamp.data.rows import SourceRow

IMAGE_MARK = "<image>"
"""Where the next image of the row stands in a text."""


def get_text(row: SourceRow, column: str) -> str:
    """A cell as text: numbers and booleans as JSON writes them, objects as compact JSON.

    Raises:
        ValueError: the cell is empty or missing.
    """
    value = row.get(column)
    if type(value) is not str:
        if value is None:
            raise ValueError(f"column '{column}' is empty or missing")
        value = to_text(value)
    if not value or value.isspace():
        raise ValueError(f"column '{column}' is empty")
    return value


def to_text(value: object) -> str:
    """A value as text: bytes decoded, dates and times as they are written, anything else as compact JSON.

    Raises:
        ValueError: bytes are no UTF-8 text, or a number is NaN or infinite.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{len(value)} bytes that are no UTF-8 text") from error
    if value is not None and not isinstance(value, int | float | list | tuple | dict):
        return str(value)
    try:
        return write_json(value)
    except ValueError as error:
        raise ValueError("a number is NaN or infinite") from error


def get_optional(row: SourceRow, column: str) -> str | None:
    """A cell that may be absent or empty."""
    value = row.get(column)
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else to_text(value)


def first_value(rows: list[SourceRow], column: str) -> Any:
    """The first value of a column in the sample that is not empty."""
    return next((row[column] for row in rows if row.get(column) not in (None, "", [])), None)


def find_column(columns: list[str], names: tuple[str, ...]) -> str | None:
    """The first of ``names`` that is a column, whatever its case and with spaces for underscores."""
    lower = {name.lower().strip().replace(" ", "_").replace("-", "_"): name for name in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def join_columns(row: SourceRow, columns: list[str]) -> str:
    """Several cells as one text, each below the name of its column; empty ones are left out.

    Raises:
        ValueError: all of them are empty.
    """
    cells = [(column, text) for column in columns if (text := get_optional(row, column)) and not text.isspace()]
    if not cells:
        raise ValueError(f"columns {', '.join(columns)} are empty")
    return "\n".join(f"{column}: {text}" for column, text in cells)


def parse_list(value: object) -> Any:
    """A list that a table keeps as JSON text, or as Python's repr, as the list; anything else unchanged."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{", "a"):
        parsed = parse_json(value)
        return parse_repr(value) or value if parsed is value else parsed
    return value


def parse_json(value: object) -> Any:
    """A JSON text of a list or object, parsed, with numbers as written; anything else unchanged."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value, parse_float=read_float, parse_int=read_int)
        except (json.JSONDecodeError, RecursionError):
            return value
    return value

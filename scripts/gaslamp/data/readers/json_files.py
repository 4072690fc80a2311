"""A .json file: a list, an object that holds the rows, or JSON lines under another name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from gaslamp.data.readers.chunks import Chunk, Reading
from gaslamp.data.readers.json_lines import drop_nan, read_jsonl
from gaslamp.data.readers.json_objects import get_splits, holds_rows, read_object
from gaslamp.data.readers.json_values import read_array
from gaslamp.data.readers.opening import read_text_head

LOOKED_AT = 20  # lines


def read_json(reading: Reading) -> Iterator[Chunk]:
    """The rows of a JSON text, whichever way it holds them."""
    head, _ = read_text_head(reading)
    kind = get_json_kind(head) or "object"
    yield from {"lines": read_jsonl, "list": read_array, "object": read_object}[kind](reading)


def read_json_lines(reading: Reading) -> Iterator[Chunk]:
    """The rows of a file that is called JSON lines, also when it is one list or objects over several lines."""
    head, whole = read_text_head(reading)
    kind = get_json_kind(head)
    if kind == "list" and (whole or "\n" in head):
        reading.note("read as one JSON list, not as JSON lines")
        yield from read_array(reading)
    elif kind == "object" and not _is_one_row(head, whole):
        yield from read_object(reading)
    else:
        yield from read_jsonl(reading)


def _is_one_row(head: str, whole: bool) -> bool:
    """Whether the only line of the head is a row, or the beginning of a long one."""
    lines = split_lines(head.strip())
    if len(lines) > 1 or _holds_more(lines):
        return False
    if not whole:
        return True
    if not lines or not is_json(lines[0]):
        return True  # the reader of lines names what is wrong with it
    value = json.loads(lines[0])
    return not (isinstance(value, dict) and (get_splits(value) or holds_rows(value)))


def _holds_more(lines: list[str]) -> bool:
    """Whether a second object stands behind the first one, on the same line."""
    try:
        _, end = json.JSONDecoder().raw_decode(lines[0]) if lines else (None, 0)
    except (json.JSONDecodeError, RecursionError):
        return False
    return bool(lines) and lines[0][end:].lstrip().startswith("{")


def split_lines(text: str) -> list[str]:
    """The lines of a JSON text: other signs that end lines (U+2028 ...) stand inside its texts."""
    return re.split(r"\r\n?|\n", text)


def get_json_kind(text: str) -> str | None:
    """How a text holds JSON, by its first lines: ``lines``, ``list``, ``object``; ``None`` when it is no JSON."""
    stripped = text.lstrip()
    lines = [line for line in split_lines(stripped)[: LOOKED_AT + 1] if line.strip()][:LOOKED_AT]
    if not lines or lines[0].lstrip()[:1] not in ("{", "["):
        return None
    if lines[0].lstrip().startswith("{'"):
        return "lines"  # Python's repr of rows: the reader of lines says so
    complete = [is_json(line) for line in lines]
    if lines[0].lstrip().startswith("["):
        return "lines" if len(lines) > 1 and complete[0] and sum(complete) > len(lines) / 2 else "list"
    if len(lines) > 1 and (complete[0] or sum(complete) > len(lines) / 2):
        return "lines" if "\n" in stripped else "object"  # a reader of lines knows no line end of old Macs
    return "object"


def is_json(line: str) -> bool:
    """Whether one line is a whole JSON value, with or without a comma behind it."""
    import orjson

    try:
        orjson.loads(drop_nan(line.strip().removesuffix(",").encode("utf-8", "replace")))
    except orjson.JSONDecodeError:
        return False
    return True

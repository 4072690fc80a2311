"""JSON lines: one object a line, found by line ends and parsed a chunk at a time."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, Reading
from gaslamp.data.readers.numbers import may_lose, read_float, read_int, scan
from gaslamp.data.readers.opening import Utf8, get_compression
from gaslamp.data.rows import SourceRow
from gaslamp.data.turns import is_turns

BOM = b"\xef\xbb\xbf"
NAN_NOTE = "NaN, which JSON does not have, is read as an empty cell"
_NAN = re.compile(rb'"(?:[^"\\]|\\.)*"|(?P<nan>NaN)')
"""A text, so that what stands in it is passed over, or a NaN, as Python and pandas write it."""


def read_jsonl(reading: Reading) -> Iterator[Chunk]:
    """Chunks of whole lines. Raises GaslampError when the file is empty or a line is too long."""
    label, first, empty = f"{reading.name}, line", 1, True
    for offset, data in _read_lines(reading):
        if empty and not data.strip(BOM + b" \t\r\n"):
            first += data.count(b"\n")
            continue
        if empty and re.match(rb"[^\n]*\},\s*\n", data):
            reading.note("commas at line ends are left out")
        empty = False
        if b"NaN" in data and any(match["nan"] for match in _NAN.finditer(data)):
            reading.note(NAN_NOTE)
        payload = data if offset is None else (str(reading.file), offset, len(data))
        yield Chunk(parse_jsonl, label, first, payload, reading.split)
        first += data.count(b"\n")
    if empty:
        raise GaslampError(f"{reading.title} is empty", "put rows into it, or set data.source to another file")


def _read_lines(reading: Reading) -> Iterator[tuple[int | None, bytes]]:
    """Whole lines, about limits.CHUNK bytes at a time, with their offset when the file holds the same bytes there."""
    rest, offset = b"", 0
    plain = get_compression(reading.file) is None
    stream = Utf8(reading, lets_through=True)
    with io.BufferedReader(stream, limits.CHUNK) as handle:  # type: ignore[type-var]
        while True:
            data = handle.read(limits.CHUNK)
            if not data:
                break
            plain = plain and not stream.changed
            cut = data.rfind(b"\n") + 1
            if not cut:
                rest += data
                if len(rest) > limits.MAX_LINE:
                    raise GaslampError(
                        f"{reading.title}: a line is longer than {limits.MAX_LINE >> 20} MB",
                        "write one row a line",
                        "it is no text file",
                    )
                continue
            whole = rest + data[:cut]
            yield (offset if plain else None), whole
            offset += len(whole)
            rest = data[cut:]
    if rest:
        yield (offset if plain else None), rest


def parse_jsonl(chunk: Chunk, problems: list[Problem]) -> Iterator[Numbered]:
    """The rows of some lines; the payload is their bytes, or (path, offset, length)."""
    import orjson

    loads, label = orjson.loads, chunk.label
    data = chunk.payload
    if isinstance(data, tuple):
        path, offset, length = data
        with open(path, "rb") as handle:
            handle.seek(offset)
            data = handle.read(length)
    if chunk.first == 1:
        data = data.removeprefix(BOM)
    written, exact = scan(data)
    if not exact and (rows := _read_all(data, written)):
        yield from enumerate(rows, chunk.first)
        return
    found: list[tuple[int, bytes, dict[str, Any]]] = []
    for number, line in enumerate(data.split(b"\n"), chunk.first):
        try:
            row = loads(line)
        except orjson.JSONDecodeError as error:
            stripped = line.strip().removeprefix(BOM)  # files that were joined keep the mark of each
            if not stripped:
                continue
            if stripped.endswith(b"},"):  # lines of a list, without its brackets
                stripped = stripped[:-1]
            stripped = drop_nan(stripped)
            try:
                row, line = loads(stripped), stripped
            except orjson.JSONDecodeError:
                problems.append(explain_line(f"{label} {number}", line, error))
                continue
        if type(row) is list and is_turns(row):  # a conversation in each line
            line = b'{"messages":' + line.strip() + b"}"
            row = {"messages": row}
        if type(row) is not dict:
            problems.append((f"{label} {number}", f"a row must be an object {{...}}, found {get_type_name(row)}", ""))
            continue
        if exact and may_lose(line):
            row = json.loads(line, parse_float=read_float, parse_int=read_int)
        found.append((number, line, row))
    # one look at the whole chunk: a key that stands twice is one more in the text than in the rows
    is_plain = not problems and (
        written == sum([len(row) for _, _, row in found]) or written == sum([count_keys(row) for _, _, row in found])
    )
    for number, line, row in found:
        if (
            not is_plain
            and line.count(b'":') + line.count(b'" :') != count_keys(row)
            and (twice := find_duplicate_key(line))
        ):
            problems.append((f"{label} {number}", f"the key '{twice}' stands twice in this row", "keep one of them"))
            continue
        yield number, row


def _read_all(data: bytes, written: int) -> list[SourceRow]:
    """The rows of a chunk whose lines are all objects without a key twice: nearly every chunk. Else none.

    Args:
        data: whole lines.
        written: keys in them, see ``scan``.
    """
    from orjson import JSONDecodeError, loads

    try:
        rows = [loads(line) for line in data.removesuffix(b"\n").split(b"\n")]
    except JSONDecodeError:
        return []
    if set(map(type, rows)) == {dict} and (written == sum(map(len, rows)) or written == sum(map(count_keys, rows))):
        return rows
    return []


def drop_nan(text: bytes) -> bytes:
    """A JSON text with ``null`` for each NaN that stands outside its texts."""
    return _NAN.sub(lambda match: b"null" if match["nan"] else match[0], text) if b"NaN" in text else text


def count_keys(row: SourceRow) -> int:
    """How many keys an object holds, those of objects inside it too."""
    count = len(row)
    for value in row.values():
        kind = type(value)
        if kind is list:
            for item in value:
                if type(item) is dict:
                    count += count_keys(item)
        elif kind is dict:
            count += count_keys(value)
    return count


def find_duplicate_key(line: bytes) -> str | None:
    """A key that stands twice in one object of this JSON text; JSON readers would take the last without a word."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) != len(pairs):
            names = [name for name, _ in pairs]
            found.append(next(name for name in names if names.count(name) > 1))
        return row

    json.loads(line, object_pairs_hook=look)
    return found[0] if found else None


def get_type_name(value: object) -> str:
    """The type of a JSON value, as JSON calls it."""
    return {
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }.get(type(value), type(value).__name__)


def explain_line(place: str, line: bytes, error: json.JSONDecodeError) -> Problem:
    """Why a line is no JSON, with the fix for the usual causes."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return (
            place,
            f"byte 0x{line[wrong.start]:02x} is not UTF-8",
            "the other lines are UTF-8: write this one again",
        )
    message = str(error.msg).split(": line")[0]
    if re.search(r"(?<![\w\"])-?Infinity(?![\w\"])", text):
        return (
            place,
            f"not valid JSON ({message} at column {error.colno}): JSON has no Infinity",
            "write null, or leave the row out",
        )
    if "\x00" in text:
        return (
            place,
            f"not valid JSON (a NUL byte at column {text.index(chr(0)) + 1})",
            "remove the NUL bytes (tr -d '\\000')",
        )
    if text.lstrip().startswith(("<!DOCTYPE", "<html", "<?xml")):
        return place, "this is a web page, no JSON", "download the raw file, not the page that shows it"
    if re.match(r"\s*[\[{]\s*'", text) or re.search(r":\s*(None|True|False)\b", text):
        return (
            place,
            f"not valid JSON ({message} at column {error.colno}): it is Python's repr of a row",
            "write each row with json.dumps(row) instead of str(row)",
        )
    return place, f"not valid JSON ({message} at column {error.colno})", ""

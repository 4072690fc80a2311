"""Objects of a JSON text that is no JSON lines: a list, or one object behind the other, read piece by piece."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, Reading, parse_rows
from gaslamp.data.readers.json_lines import NAN_NOTE, get_type_name
from gaslamp.data.readers.numbers import read_float, read_int
from gaslamp.data.readers.opening import open_text
from gaslamp.data.turns import is_turns

SPACE = re.compile(r"[ \t\r\n]*")


def get_decoder(reading: Reading) -> json.JSONDecoder:
    """A JSON decoder that keeps numbers as written and refuses Infinity and keys that stand twice (ValueError).

    Args:
        reading: takes up the note that a NaN is read as an empty cell.
    """

    def read_constant(name: str) -> None:
        if name == "NaN":
            reading.note(NAN_NOTE)
            return
        raise ValueError(f"JSON has no {name}")

    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) != len(pairs):
            names = [key for key, _ in pairs]
            raise ValueError(
                f"the key '{next(key for key in names if names.count(key) > 1)}' stands twice in one object"
            )
        return row

    return json.JSONDecoder(
        object_pairs_hook=refuse_twice, parse_constant=read_constant, parse_float=read_float, parse_int=read_int
    )


class ValueReader:
    """The values of a JSON text, one after the other, without holding the text."""

    def __init__(self, reading: Reading, handle: io.TextIOBase) -> None:
        self._reading, self._handle, self._decoder = reading, handle, get_decoder(reading)
        self._text, self._at, self._lines, self._ended = "", 0, 1, False

    def _more(self) -> bool:
        new = self._handle.read(max(limits.CHUNK, len(self._text) - self._at))
        self._lines += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :] + new, 0
        self._ended = not new
        return bool(new)

    def take(self, wanted: str) -> str:
        """The next character that is no space; it stays unread unless it is one of ``wanted``."""
        while True:
            match = SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or not self._more():
                sign = self._text[self._at : self._at + 1]
                self._at += bool(sign) and sign in wanted
                return sign

    def fail(self, message: str, position: int | None = None) -> GaslampError:
        """An error with the line of ``position`` (default: where reading stands)."""
        line = self._lines + self._text.count("\n", 0, self._at if position is None else position)
        return GaslampError(
            f"{self._reading.title}, line {line}: not valid JSON ({message})",
            "fix that line, or save one object a line as .jsonl",
        )

    def read(self, number: int) -> object:
        """The next value. Raises GaslampError with its line or, for what JSON does not allow, its number."""
        place = f"{self._reading.title}, item {number}"
        self.take("")
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or self._ended:  # a number at the very end of the text may go on
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                if self._ended:
                    raise self.fail(error.msg, error.pos) from error
            except ValueError as error:
                raise GaslampError(f"{place}: {error}", "fix that item") from error
            except RecursionError as error:
                raise GaslampError(f"{place}: nested too deeply", "fix that item") from error
            if len(self._text) - self._at > limits.MAX_LINE:
                raise self.fail(f"an item longer than {limits.MAX_LINE >> 20} MB")
            self._more()


def read_array(reading: Reading) -> Iterator[Chunk]:
    """The items of one list. Raises GaslampError when it is empty, broken, or never closed."""
    with open_text(reading) as handle:
        values = ValueReader(reading, handle)
        values.take("[")
        if values.take("") == "]":
            raise GaslampError(
                f"{reading.title} is empty: its list has no items",
                "put rows into it, or set data.source to another file",
            )

        def items() -> Iterator[object]:
            number = 0
            while True:
                number += 1
                yield values.read(number)
                sign = values.take(",]")
                if sign == "," and values.take("") == "]":  # a comma behind the last item
                    sign = values.take("]")
                if sign == "]":
                    break
                if sign != ",":
                    raise values.fail(
                        "',' or ']' expected" if sign else "the list is never closed: the file is cut off"
                    )
            if values.take(""):
                raise values.fail("something follows the end of the list")

        yield from chunk_items(items(), reading)


def read_stream(reading: Reading) -> Iterator[Chunk]:
    """Objects one behind the other, over several lines each, with or without commas between them."""
    reading.note("its objects stand over several lines each")
    with open_text(reading) as handle:
        values = ValueReader(reading, handle)

        def items() -> Iterator[object]:
            number = 0
            while values.take(","):
                number += 1
                yield values.read(number)

        yield from chunk_items(items(), reading)


def chunk_items(items: Iterator[object], reading: Reading, split: str | None = None, first: int = 1) -> Iterator[Chunk]:
    """Chunks of parsed items; what is no object is a problem of its item."""
    label = f"{reading.name}, item"
    rows: list[Numbered] = []
    problems: list[Problem] = []
    number = first
    for number, value in enumerate(items, first):
        if isinstance(value, dict):
            rows.append((number, value))
        elif is_turns(value):  # a list of conversations
            rows.append((number, {"messages": value}))
        else:
            problems.append((f"{label} {number}", f"a row must be an object {{...}}, found {get_type_name(value)}", ""))
        if len(rows) + len(problems) >= limits.BATCH:
            yield Chunk(parse_rows, label, number, rows, split or reading.split, tuple(problems))
            rows, problems = [], []
    yield Chunk(parse_rows, label, number, rows, split or reading.split, tuple(problems))

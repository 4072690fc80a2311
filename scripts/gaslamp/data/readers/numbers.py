"""Numbers as they are written: JSON readers round what has many digits and forget the zeros of 1.50."""

from __future__ import annotations

import json
import re
from typing import Any

RISKY_KEY = re.compile(rb'" ?:\s*-?(?:\d+[.eE]|\d{18})')
RISKY_ITEM = re.compile(rb"\[\s*-?\d+(?:[.eE]|\s*,|\d{17})")
"""Where a number stands, as the value of a key or in a list, that a fast JSON reader may change."""


class WrittenNumber(float):
    """A number whose text is not what Python writes for it; ``text`` is how the file has it."""

    text: str

    def __new__(cls, text: str) -> WrittenNumber:
        """The number that ``text`` writes."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __reduce__(self) -> tuple[type[WrittenNumber], tuple[str]]:
        return WrittenNumber, (self.text,)


def read_float(text: str) -> float:
    """A number of a JSON text: a plain float when Python writes it back the same way."""
    value = float(text)
    return value if repr(value) == text else WrittenNumber(text)


def read_int(text: str) -> int | float:
    """A whole number of a JSON text: a WrittenNumber when it has more than 64 bits, which few programs can hold."""
    value = int(text)
    return value if -(2**63) <= value < 2**64 else WrittenNumber(text)


def dump(value: object) -> bytes:
    """A value as JSON for a file, every number as it was written.

    Raises:
        TypeError: it holds what JSON has no word for.
    """
    import orjson

    return orjson.dumps(value, default=write_number)


def write_number(value: object) -> object:
    """``default`` of orjson: a number as it was written. Raises TypeError for anything else."""
    import orjson

    if isinstance(value, WrittenNumber):
        return orjson.Fragment(value.text.encode())
    raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")


def may_lose(data: bytes) -> bool:
    """Whether a JSON text may hold numbers that a fast reader changes."""
    return bool(RISKY_KEY.search(data) or RISKY_ITEM.search(data))


def scan(data: bytes) -> tuple[int, bool]:
    """How many keys the objects of a JSON text have, and ``may_lose`` of it: one look at all of a large text.

    ``":`` and ``" :`` count as keys. The patterns search only where a number stands behind a key or a bracket at all.
    """
    import numpy

    letters = numpy.frombuffer(data + b"    ", dtype=numpy.uint8)
    colons = numpy.flatnonzero(letters[1:] == ord(":")) + 1
    before = letters[colons - 1]
    keys = colons[(before == ord('"')) | ((before == ord(" ")) & (letters[colons - 2] == ord('"')))]
    brackets = numpy.flatnonzero(letters[:-4] == ord("[")) if b"[" in data else colons[:0]
    for places in (keys, brackets):
        behind = letters[places + 1]
        behind = numpy.where(behind == ord(" "), letters[places + 2], behind)
        if ((behind <= ord(" ")) | (behind == ord("-")) | ((behind >= ord("0")) & (behind <= ord("9")))).any():
            return len(keys), may_lose(data)
    return len(keys), False


def _write_other(value: object) -> str:
    """``default`` of json: bytes of a binary column as the text that they hold, dates and times as they are written."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def write_json(value: object, separators: tuple[str, str] = (",", ":")) -> str:
    """A value as JSON with every number as it was written.

    Args:
        value: to write.
        separators: between items, and behind keys; compact by default.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    written: list[str] = []

    def mark(item: Any) -> Any:
        if isinstance(item, WrittenNumber):
            written.append(item.text)
            return f"\ue000{len(written) - 1}\ue001"
        if isinstance(item, dict):
            return {key: mark(part) for key, part in item.items()}
        if isinstance(item, list | tuple):
            return [mark(part) for part in item]
        return item

    text = json.dumps(mark(value), ensure_ascii=False, separators=separators, allow_nan=False, default=_write_other)
    return re.sub('"\ue000(\\d+)\ue001"', lambda match: written[int(match[1])], text) if written else text

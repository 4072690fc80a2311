"""What a reply says: the fields of a row, or a score; a reason where it cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.models.endpoint import replace_halves
from gaslamp.models.messages import drop_blocks

SHORTEST = 2
"""Letters of a text that says something."""
REPLACED = "\ufffd"
"""Stands for a character that was lost on its way."""
DEEPEST = 32
"""Levels of brackets in a row; more is what a model writes that repeats itself."""


class Rejected(Exception):
    """A row that is not taken: ``kind`` in a word or two, and the reason."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, replace_halves(reason)


def find_objects(text: str) -> Iterator[JsonObject]:
    """The JSON objects of a text, outermost first, in order; thoughts in front are not searched.

    Raises:
        Rejected: the brackets are nested deeper than a parser goes.
    """
    text, decoder = drop_blocks(text), json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except ValueError:
            end = start + 1
        except RecursionError:
            raise Rejected("too deep", f"thousands of brackets are nested: {_shorten(text[start:])}") from None
        else:
            if isinstance(value, dict):
                yield value
        start = text.find("{", end)


def read_fields(text: str, schema: JsonObject, finish: str) -> JsonObject:
    """The fields of a row.

    Args:
        text: the reply.
        schema: that the object must meet, whatever the server promised.
        finish: why the reply ended.

    Raises:
        Rejected: no such object, or one with empty texts.
    """
    import jsonschema

    found = next(find_objects(text), None)
    if found is None:
        if finish == "length":
            raise Rejected("cut", "the reply was cut off: raise data.generate.max_tokens")
        raise Rejected("no JSON", f"the reply holds no JSON object: {_shorten(text)}")
    _check_writable(found)
    try:
        jsonschema.validate(found, schema)
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path))
        raise Rejected("wrong shape", f"{place}: {error.message}"[:200] if place else error.message[:200]) from None
    for name, value in found.items():
        if isinstance(value, str) and len(value.strip()) < SHORTEST and name in ("prompt", "anchor", "positive"):
            raise Rejected("empty", f"{name} says nothing: {value!r}")
        if isinstance(value, str) and not value.strip():
            raise Rejected("empty", f"{name} is empty")
    texts = [str(value).strip() for value in found.values() if isinstance(value, str)]
    if len(set(texts)) < len(texts):
        raise Rejected("same texts", "two fields hold the same text")
    return found


def _check_writable(found: JsonObject) -> None:
    """Refuse what no file of rows can hold, whatever the schema says of it.

    Raises:
        Rejected: says what it is.
    """
    level: list[object] = [found]
    for _ in range(DEEPEST):
        level = [inner for value in level if isinstance(value, dict | list) for inner in _get_values(value)]
    if level:
        raise Rejected("too deep", f"more than {DEEPEST} brackets are nested")
    try:
        written = json.dumps(found, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise Rejected("no number", "a value is NaN or infinite, which is no JSON") from None
    if replace_halves(written) != written or REPLACED in written:
        raise Rejected("broken character", f"half of a character, of an emoji for example: {_shorten(written)}")


def _get_values(value: JsonObject | list[object]) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else value


def read_score(text: str) -> tuple[float, str]:
    """Score (0 to 10) and reason of a judge's reply.

    Raises:
        Rejected: it holds no score in that range.
    """
    for found in reversed(list(find_objects(text))):
        value: Any = found.get("score")
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10:
            return float(value), _shorten(str(found.get("reason") or "no reason given"), 300)
    raise Rejected("no score", f"the judge gave no score from 0 to 10: {_shorten(text)}")


def _shorten(text: str, most: int = 120) -> str:
    shown = " ".join(replace_halves(text).split())
    return shown if len(shown) <= most else f"{shown[:most]}..."

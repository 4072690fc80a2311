"""How much of a JSON answer is right, field by field: each value of the reference at its own path counts."""

import json
from collections import Counter

from gaslamp.data.rows import Row, get_reference
from gaslamp.evaluate.predictions import Prediction

TITLE = "JSON fields that are right"
BINARY = False
MISSING = object()


def flatten(value: object, path: str = "", depth: int = 0) -> dict[str, object]:
    """``{"a": [1, {"b": 2}]}`` -> ``{"a[0]": 1, "a[1].b": 2}``; empty objects and lists are values."""
    if depth < 100 and isinstance(value, dict) and value:
        return {
            key: item
            for name, part in value.items()
            for key, item in flatten(part, f"{path}.{name}" if path else str(name), depth + 1).items()
        }
    if depth < 100 and isinstance(value, list) and value:
        return {
            key: item
            for number, part in enumerate(value)
            for key, item in flatten(part, f"{path}[{number}]", depth + 1).items()
        }
    return {path: value}


def parse(text: str) -> object:
    """The JSON value, or MISSING."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return MISSING


def score(answer: str, reference: str) -> float | None:
    """Right fields / all fields of answer and reference (fields that the reference does not have count against it);
    ``None`` when the reference is no JSON.
    """
    wanted, given = parse(reference), parse(answer)
    if wanted is MISSING:
        return None
    if given is MISSING:
        return 0.0
    ours, theirs = flatten(given), flatten(wanted)
    return len(get_right(ours, theirs)) / len(ours.keys() | theirs.keys())


def get_right(given: dict[str, object], wanted: dict[str, object]) -> list[str]:
    """The paths of ``wanted`` that have the same value in ``given``; both as ``flatten`` gives them."""
    # 1 and 1.0 are one number in JSON; true is none, though Python takes it for 1
    return [
        key
        for key, value in wanted.items()
        if key in given and isinstance(given[key], bool) == isinstance(value, bool) and given[key] == value
    ]


def report(rows: list[Row], predictions: list[Prediction], values: list[float]) -> dict[str, object]:
    """Share of rows in which each field is right, places in lists taken together; how many answers are JSON,
    and have all keys.
    """
    right: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    parsed = same_keys = 0
    for row, prediction in zip(rows, predictions, strict=True):
        wanted, given = parse(get_reference(row) or ""), parse(prediction["text"])
        theirs = flatten(wanted)
        ours = {} if given is MISSING else flatten(given)
        parsed += given is not MISSING
        same_keys += given is not MISSING and {name_field(key) for key in ours} == {name_field(key) for key in theirs}
        expected.update(name_field(key) for key in theirs)
        right.update(name_field(key) for key in get_right(ours, theirs))
    fields = {name: {"right": round(right[name] / count, 4), "n": count} for name, count in sorted(expected.items())}
    return {
        "is JSON": round(parsed / len(rows), 4),
        "same structure": round(same_keys / len(rows), 4),
        "fields": fields,
    }


def name_field(path: str) -> str:
    """``items[3].name`` -> ``items[].name``"""
    import re

    return re.sub(r"\[\d+\]", "[]", path) or "value"

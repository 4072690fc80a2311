"""The answer is JSON and nothing else, and means the same as the reference: order of keys and white space are free."""

import json

TITLE = "JSON exact match"
BINARY = True


def is_same(a: object, b: object) -> bool:
    """Equal as JSON values: 1 and 1.0 are one number, true and 1 are not."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(is_same(x, y) for x, y in zip(a, b, strict=True))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def score(answer: str, reference: str) -> float:
    """1 when both parse to equal values, else 0."""
    try:
        return float(is_same(json.loads(answer), json.loads(reference)))
    except (json.JSONDecodeError, RecursionError):
        return 0.0

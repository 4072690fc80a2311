"""The answer is JSON and nothing else, and means the same as the reference: order of keys and white space are free."""

import json

TITLE = "JSON exact match"
BINARY = True


def score(answer: str, reference: str) -> float:
    """1 when both parse to equal values, else 0."""
    try:
        return float(json.loads(answer) == json.loads(reference))
    except (json.JSONDecodeError, RecursionError):
        return 0.0

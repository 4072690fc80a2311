"""The answer keeps the form of the reference, whatever it says: JSON of the same keys, a list of as many points, one
line, a number.

Which form is wanted is read from the reference. ``json``: parses, with the same keys and types; ``lines``: as many
lines with the same marks before them; ``number``; else ``line`` or ``text``: one line when the reference is one, and at
most three times as long.
"""

import json
import re

from gaslamp.data.rows import Row, get_reference
from gaslamp.evaluate.predictions import Prediction

TITLE = "keeps the form"
BINARY = True
_MARK = re.compile(r"^\s*(?:[-*\u2022]|\d+[.)])\s+")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?%?")


def get_form(reference: str) -> str:
    """json, number, lines, line or text."""
    text = reference.strip()
    if text[:1] in ("{", "["):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            return "json"
    if _NUMBER.fullmatch(text):
        return "number"
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(_MARK.match(line) for line in lines):
        return "lines"
    return "line" if len(lines) <= 1 else "text"


def get_shape(value: object) -> object:
    """Keys and types of a JSON value; a list has the shapes that its items have."""
    if isinstance(value, dict):
        return {key: get_shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(get_shape(item), sort_keys=True) for item in value})
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def score(answer: str, reference: str) -> float:
    """1 when the form is kept, else 0."""
    form, text = get_form(reference), answer.strip()
    if form == "json":
        try:
            return float(get_shape(json.loads(text)) == get_shape(json.loads(reference)))
        except (ValueError, RecursionError):
            return 0.0
    if form == "number":
        return float(_NUMBER.fullmatch(text) is not None)
    lines = [line for line in text.splitlines() if line.strip()]
    if form == "lines":
        wanted = len([line for line in reference.splitlines() if line.strip()])
        return float(len(lines) == wanted and all(_MARK.match(line) for line in lines))
    if not text or len(text) > 3 * max(20, len(reference.strip())):
        return 0.0
    return float(len(lines) == 1 or form == "text")


def report(rows: list[Row], predictions: list[Prediction], values: list[float]) -> dict[str, object]:
    """Share kept, form by form."""
    forms: dict[str, list[float]] = {}
    for row, value in zip(rows, values, strict=True):
        forms.setdefault(get_form(get_reference(row) or ""), []).append(value)
    return {form: {"kept": round(sum(kept) / len(kept), 4), "n": len(kept)} for form, kept in sorted(forms.items())}

"""Labels in another order, and labels that stand for one another."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from gaslamp.evaluate.metrics.json_fields import MISSING, parse
from gaslamp.evaluate.metrics.normalized_match import normalize

BORDER = re.compile(r"[,;|/\n\uff0c\u3001]|\s(?:and|und|et|y|e)\s")


def is_reordered(text: str, reference: str) -> bool:
    """Whether both name the same labels, as a list with commas or lines, or as lists inside JSON, in another order."""
    given, wanted = parse(text), parse(reference)
    if given is not MISSING and wanted is not MISSING and isinstance(wanted, dict | list):
        return given != wanted and _sort(given) == _sort(wanted)
    ours, theirs = _split(text), _split(reference)
    return len(theirs) > 1 and ours != theirs and Counter(ours) == Counter(theirs)


def find_swaps(wanted: Sequence[str], given: Sequence[str], fewest: int, share: float) -> dict[str, str]:
    """Class -> the class that is answered instead, for classes that stand for one another in a ring.

    Args:
        wanted, given: tidied classes, one for each row; empty: left out.
        fewest: rows of a class.
        share: of the rows of a class that get the same other class.
    """
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for name, answer in zip(wanted, given, strict=True):
        if name:
            answers[name][answer] += 1
    mostly = {}
    for name, counts in answers.items():
        top, count = counts.most_common(1)[0]
        if top and top != name and counts.total() >= fewest and count >= share * counts.total():
            mostly[name] = top
    return {name: other for name, other in sorted(mostly.items()) if _returns(name, mostly)}


def _returns(name: str, mostly: dict[str, str]) -> bool:
    at: str | None = mostly.get(name)
    for _ in mostly:
        if at is None or at == name:
            break
        at = mostly.get(at)
    return at == name


def _split(text: str) -> list[str]:
    return [name for part in BORDER.split(text) if (name := normalize(part))]


def _sort(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sort(part) for key, part in value.items()}
    if isinstance(value, list):
        return sorted((_sort(part) for part in value), key=lambda part: json.dumps(part, sort_keys=True))
    return value

"""Which form an answer has instead of the wanted one: no JSON at all, or JSON with text around it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection

from gaslamp.evaluate.metrics.json_fields import MISSING, parse
from gaslamp.evaluate.metrics.normalized_match import normalize

FENCED = re.compile(r"```[\w-]*\s*\n?(.*?)\n?\s*```", re.DOTALL)
FOLLOWED, PRECEDED, IN_A_FENCE = "JSON followed by text", "JSON behind text", "JSON in a code fence"
LITERAL, TWICE, AROUND = "Python instead of JSON", "several pieces of JSON", "a class with text around it"
NEAR = (FOLLOWED, PRECEDED, IN_A_FENCE, LITERAL, TWICE, AROUND)
"""Right content in the wrong form: what helps is the form of the training answers, not more rows."""
AT_END = (FOLLOWED, TWICE)  # seen at the end of the answer
SHORTEST = 3  # characters of a label inside a sentence; a shorter one is a word of it


def name_json(text: str) -> str | None:
    """One of NEAR for an answer that holds JSON but is none; ``None``: it is JSON, or holds none."""
    text = text.strip()
    if parse(text) is not MISSING:
        return None
    if (fence := FENCED.search(text)) and parse(fence[1].strip()) is not MISSING:
        return IN_A_FENCE if fence[0] == text else FOLLOWED if not text[: fence.start()].strip() else PRECEDED
    start = min((place for sign in "{[" if (place := text.find(sign)) >= 0), default=-1)
    if start < 0:
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return LITERAL if _is_literal(text) else None
    rest = text[end:].strip()
    if text[:start].strip():
        return PRECEDED
    return TWICE if rest and parse(f"[{','.join(rest.splitlines())}]") is not MISSING else FOLLOWED


def find_label(text: str, labels: Collection[str]) -> str | None:
    """The class that an answer names with text around it, such as ``Label: refund``; ``None``: none, or several.

    Args:
        text: an answer.
        labels: tidied by ``normalize``.
    """
    given = normalize(text)
    if not given or given in labels:
        return given or None
    found = [label for label in labels if label and label in given and _stands_at(label, given)]
    found = [label for label in found if not any(label != other and label in other for other in found)]
    return found[0] if len(found) == 1 else None


def _stands_at(label: str, text: str) -> bool:
    """At either end of a text, as whole words; a longer label anywhere."""
    return any(
        found.start() == 0 or found.end() == len(text) or len(label) >= SHORTEST
        for found in re.finditer(rf"(?<!\w){re.escape(label)}(?!\w)", text)
    )


def _is_literal(text: str) -> bool:
    try:
        return isinstance(ast.literal_eval(text), dict | list)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return False

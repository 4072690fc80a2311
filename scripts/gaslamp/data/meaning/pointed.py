"""Columns that point at a part of a text, whose class another column says: the aspect of a review, a word.

The same text has another class for another part: without that column the class is a guess.
"""

from __future__ import annotations

from dataclasses import replace

from gaslamp.data.meaning import words
from gaslamp.data.meaning.infer import OPEN_ANSWERS
from gaslamp.data.meaning.names import normalize
from gaslamp.data.meaning.profile import LABEL_LETTERS, Profile
from gaslamp.data.meaning.readings import Mapping, Reading
from gaslamp.data.rows import SourceRow

POINTING = frozenset(("aspect", "term", "target", "entity", "entities", "mention", "span", "word", "phrase", "opinion"))
"""Words of the name of such a column."""
CLASSED = ("aspect", "category", "target")
"""Words of a name that say that a column of few values points at a side of the text, too."""
AGREEING = 0.8
"""Share of the rows whose text must hold its cell."""


def add_pointed(readings: list[Reading], profiles: list[Profile], rows: list[SourceRow]) -> list[Reading]:
    """The readings, in front of a class that of the text together with the part it is about; all open then.

    Args:
        readings: best first.
        profiles: of all columns.
        rows: the sample.
    """
    for reading in readings:
        target = next((one for one in profiles if one.name == reading.mapping.get("completion")), None)
        prompt = reading.mapping.get("prompt")
        if reading.format != "prompt_completion" or target is None or not isinstance(prompt, str):
            continue
        chooses = _points if target.is_label else _conditions
        pointing = next((one for one in profiles if chooses(one, prompt, reading, rows)), None)
        if pointing:
            mapping: Mapping = {**reading.mapping, "prompt": [prompt, pointing.name]}
            reason = (
                f"{reading.reason}, and '{pointing.name}' says {'what in it is meant' if target.is_label else 'how'}"
            )
            key = f"{reading.key} of {pointing.name}"
            first = Reading(key, reading.format, mapping, reading.rows, reason, OPEN_ANSWERS)
            return [first, *(replace(one, score=min(one.score, OPEN_ANSWERS)) for one in readings)]
    return readings


CONDITIONS = frozenset(words.CONDITIONS.split())
"""Words of a name that say how an answer is to be written."""


def _conditions(column: Profile, prompt: str, best: Reading, rows: list[SourceRow]) -> bool:
    """Whether a column says how an answer is to be written: the same question has another one under another value."""
    if column.name in best.columns or column.constant or not column.is_label or column.holds != "text":
        return False
    texts: dict[str, set[str]] = {}
    for row in rows:
        texts.setdefault(str(row.get(prompt)), set()).add(str(row.get(column.name)))
    several = sum(len(values) > 1 for values in texts.values())
    named = set(normalize(column.name).split("_"))
    is_language = bool(named & {"lang", "language"} and named & {"target", "tgt", "to", "output"})
    return bool(CONDITIONS & named) or is_language or 2 * several > len(texts)


def _points(column: Profile, prompt: str, best: Reading, rows: list[SourceRow]) -> bool:
    """Whether the cells of a column are parts of the text that have a class of their own."""
    if column.name in best.columns or column.holds not in ("text", "code") or column.constant or not column.is_common:
        return False
    if column.letters > LABEL_LETTERS or column.concept in ("answer", "summary", "rating", "winner", "reasoning"):
        return False
    pairs = [(str(row[column.name]), str(row.get(prompt) or "")) for row in rows if row.get(column.name)]
    named = set(normalize(column.name).split("_"))
    texts: dict[str, set[str]] = {}
    for part, text in pairs:
        texts.setdefault(text, set()).add(part)
    several = sum(len(parts) > 1 for parts in texts.values())  # a text that comes again with another part
    inside = sum(part.casefold() in text.casefold() for part, text in pairs)
    if inside >= AGREEING * len(pairs):
        return bool(named & POINTING) or several > 0
    return bool(named & set(CLASSED)) and several > 0

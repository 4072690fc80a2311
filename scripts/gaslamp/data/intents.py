"""Files of chatbots: intents, each with what people say (patterns) and what the bot answers (responses)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from gaslamp.data.cells import parse_list
from gaslamp.data.flat_turns import Place, pack
from gaslamp.data.readers.chunks import Chunk, Problem
from gaslamp.data.rows import SourceRow

NAMES = ("tag", "intent")
SAID = ("patterns", "utterances", "examples", "phrases")
ANSWERED = ("responses", "response", "replies")


class Shape(NamedTuple):
    """The columns of an intent."""

    name: str
    said: str
    answered: str  # empty: the file only names what people say


def find_shape(rows: list[SourceRow]) -> Shape | None:
    """The columns when each row is an intent; ``None`` for other rows."""
    if not rows:
        return None
    columns = list(dict.fromkeys(name for row in rows for name in row))
    name = next((column for column in NAMES if column in columns), None)
    said = next((column for column in SAID if column in columns), None)
    answered = next((column for column in ANSWERED if column in columns), "")
    if not (name and said):
        return None
    rows = [row for row in rows if row.get(name)]  # Rasa lists synonyms and patterns too
    if not rows or len({str(row.get(name)) for row in rows}) < len(rows):
        return None
    lists = [_get_texts(row.get(said)) for row in rows]
    if any(texts is None for texts in lists) or max(len(texts or []) for texts in lists) < 2:
        return None
    if answered and any(_get_texts(row.get(answered)) is None for row in rows):
        return None
    return Shape(name, said, answered)


def unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the sentences of the intents, a row each.

    Args:
        chunks: starts a pass over the intents.
        shape: from ``find_shape``.
        notes: takes up what was decided.
    """
    return partial(_unfold, chunks, shape, notes)


def _unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Iterator[Chunk]:
    problems: list[Problem] = []
    rows: list[tuple[Place, SourceRow]] = []
    count = silent = 0
    for chunk in chunks():
        for number, row in chunk.read(problems):
            count += 1
            said = _get_texts(row.get(shape.said)) or []
            answers = _get_texts(row.get(shape.answered)) or [] if shape.answered else []
            if not said or not row.get(shape.name) or (shape.answered and not answers):
                silent += 1
                continue
            for place, text in enumerate(said):
                made: SourceRow = {"question": text, "intent": row.get(shape.name)}
                if answers:  # in turn, so that each one is learnt
                    made["answer"] = answers[place % len(answers)]
                rows.append(((chunk.label, number, chunk.split), made))
    left = f"; left out, nobody says them, nothing answers or they have no name: {silent}" if silent else ""
    turn = f", each with one of its {shape.answered} in turn" if shape.answered else ""
    note = f"{count} intents are {len(rows)} rows, one for each of their {shape.said}{turn}{left}"
    if note not in notes:
        notes.append(note)
    yield from pack(rows, problems)


def _get_texts(value: object) -> list[str] | None:
    """The texts of a list, without empty ones; ``None`` for what is no list of texts."""
    value = _read_rasa(value) if isinstance(value, str) and value.startswith("- ") else parse_list(value)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return [item for item in value if item.strip()]


_ENTITY = re.compile(r"\[([^\[\]]+)\](?:\([^()]+\)|\{[^{}]+\})")
"""``[Berlin](city)`` or ``[Berlin]{"entity": "city"}``."""


def _read_rasa(text: str) -> list[str]:
    """The examples of Rasa, a line each, without the marks of their entities."""
    return [_ENTITY.sub(r"\1", line[2:].strip()) for line in text.splitlines() if line.startswith("- ")]

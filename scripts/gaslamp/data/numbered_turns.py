"""Tables with a column for each turn of a conversation: ``user_1, assistant_1, user_2``; ``turn1, turn2, turn3``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from gaslamp.data.meaning.names import get_hint, normalize
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, parse_rows
from gaslamp.data.rows import SourceRow
from gaslamp.data.turns import get_role

_NAME = re.compile(r"(?P<who>[^\W\d]+?)_?(?P<number>\d{1,2})")
PLAIN = ("turn", "utterance", "dialog", "dialogue")
"""Names that say nothing of the speaker: the first is the user, and they take turns."""
LEAST = 3
OPEN = ("input", "output")
"""These may be examples that do not go on from each other, as ``question_1`` and ``answer_1`` may."""


def find_columns(rows: list[SourceRow]) -> list[tuple[str, str]]:
    """Column and role of each turn, in their order; empty where there are not three of them and more.

    Args:
        rows: the sample.
    """
    found: dict[str, dict[int, str]] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        if match := _NAME.fullmatch(normalize(name)):
            who = match["who"].strip("_")
            role = "turn" if who in PLAIN else "" if who in OPEN else get_role(who)
            if role in ("user", "assistant", "turn") and int(match["number"]) not in found.get(role, {}):
                found.setdefault(role, {})[int(match["number"])] = name
    if plain := found.get("turn", {}):
        others = {name for row in rows for name in row} - set(plain.values())
        if len(plain) % 2 or any((hint := get_hint(name)) is None or hint.concept != "meta" for name in others):
            return []  # turn1, turn2, turn3, label: the class of a conversation
        turns = [(plain[number], ("user", "assistant")[place % 2]) for place, number in enumerate(sorted(plain))]
    else:
        users, assistants = found.get("user", {}), found.get("assistant", {})
        user_numbers, answer_numbers = sorted(users), sorted(assistants)
        if (
            len(user_numbers) - len(answer_numbers) not in (0, 1)
            or user_numbers[: len(answer_numbers)] != answer_numbers
        ):
            return []  # user_1, assistant_1, assistant_2: two answers to one question
        sides = (("user", users), ("assistant", assistants))
        turns = [(names[number], role) for number in user_numbers for role, names in sides if number in names]
    texts = all(isinstance(row.get(name), str | None) for row in rows for name, _ in turns)
    return turns if len(turns) >= LEAST and texts else []


def unfold(
    chunks: Callable[[], Iterator[Chunk]], turns: list[tuple[str, str]], notes: list[str]
) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the rows, each with its turns in the column ``messages``.

    Args:
        chunks: starts a pass over the rows of the file.
        turns: from ``find_columns``.
        notes: takes up what was decided.
    """
    said = ", ".join(f"{name} ({role})" for name, role in turns[:6])
    note = f"the columns {said}{' ...' if len(turns) > 6 else ''} are the turns of a conversation"
    if note not in notes:
        notes.append(note)
    return partial(_unfold, chunks, turns)


def _unfold(chunks: Callable[[], Iterator[Chunk]], turns: list[tuple[str, str]]) -> Iterator[Chunk]:
    names = {name for name, _ in turns}
    for chunk in chunks():
        problems: list[Problem] = []
        rows: list[Numbered] = []
        for number, row in chunk.read(problems):
            said = [{"role": role, "content": row[name]} for name, role in turns if row.get(name)]
            shared = {name: value for name, value in row.items() if name not in names}
            rows.append((number, {"messages": said, **shared}))
        yield Chunk(parse_rows, chunk.label, chunk.first, rows, chunk.split, tuple(problems))

"""Cells that hold a list of answers: ragas' ``ground_truths``, the ``answers`` of reading sets.

A list of one answer is that answer. What is learnt of several is a setting, ``take`` in data.columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gaslamp.data.cells import parse_list, to_text

ROLES = ("completion", "output", "answer")
"""The roles of a column of answers, one of each format."""
TAKE = "take"
"""The role of the setting in a mapping."""
ONLY, FIRST, LIST = "only", "first", "list"
"""Its values: each row has one answer (several are an error); the first is learnt; the list is learnt as JSON."""


def read_several(value: object) -> list[str] | None:
    """The different answers of a list of texts or numbers, in their order; ``None`` when a cell is no such list."""
    value = parse_list(value)
    if not isinstance(value, list) or any(isinstance(item, list | dict) for item in value):
        return None
    return list(dict.fromkeys(to_text(item) for item in value if item is not None and item != ""))


def count_answers(cells: Iterable[object]) -> int:
    """The largest number of different answers in a cell; 0 when most cells are no list of answers."""
    filled = [cell for cell in cells if cell not in (None, "", [])]
    found = [answers for cell in filled if (answers := read_several(cell)) is not None]
    return max(map(len, found), default=0) if 2 * len(found) > len(filled) else 0


def get_answers(mapping: Mapping[str, str | list[str]]) -> str:
    """The column of answers that a mapping names."""
    return str(next((mapping[role] for role in ROLES if role in mapping), ""))


def take_answer(value: object, column: str, take: object) -> object:
    """The answer of a cell; the cell itself when it holds no list of answers.

    Args:
        value: the cell.
        column: its name, for the message.
        take: the setting: ``only``, ``first`` or ``list``.

    Raises:
        ValueError: the list is empty, or holds several different answers and ``take`` is ``only``; no such setting.
    """
    if take not in (ONLY, FIRST, LIST):
        raise ValueError(f"{TAKE} in data.columns is {take}: {ONLY}, {FIRST} or {LIST}")
    answers = read_several(value) if take != LIST else None
    if answers is None:
        return value
    if not answers:
        raise ValueError(f"column '{column}' is empty")
    if take == ONLY and len(answers) > 1:
        raise ValueError(
            f"column '{column}' holds {len(answers)} different answers: {TAKE}: {FIRST} or {LIST} in data.columns "
            "says what is learnt of them"
        )
    return answers[0]

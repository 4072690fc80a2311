"""Columns that differ in a letter or a number alone: ``response_a`` and ``response_b``, ``score1`` and ``score2``."""

from __future__ import annotations

import re
from functools import cache

MARKS = (("a", "b"), ("1", "2"), ("0", "1"), ("left", "right"))


@cache
def split_name(column: str) -> tuple[str, ...]:
    """The words of a name, digits and single letters apart: ``response1``, ``Response A``, ``modelB_answer``."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Za-z])", "_", column.strip())
    return tuple(word for word in re.split(r"[\W_]+", spaced.casefold()) if word)


def is_sided(column: str) -> bool:
    """Whether a name has a letter or number that sets it apart from another: ``score_a``."""
    return any(mark in split_name(column) for marks in MARKS for mark in marks)


def find_twins(
    columns: list[str], wanted: frozenset[str], unwanted: frozenset[str] = frozenset()
) -> list[tuple[str, str, tuple[str, str]]]:
    """Pairs of columns whose names differ in one letter or number alone and hold one of the words ``wanted``."""
    result = []
    words = {column: split_name(column) for column in columns}
    for marks in MARKS:
        for column, own in words.items():
            for place, word in enumerate(own):
                if word != marks[0] or not wanted & set(own) or unwanted & set(own):
                    continue
                twin = (*own[:place], marks[1], *own[place + 1 :])
                other = next((name for name, parts in words.items() if parts == twin), None)
                if other:
                    result.append((column, other, marks))
    return result


def find_mark(column: str, marks: tuple[str, str]) -> str | None:
    """Which of two letters or numbers a name has; ``None`` when it has neither or both."""
    found = [word for word in split_name(column) if word in marks]
    return found[0] if len(found) == 1 else None


@cache
def get_marks(first: str, second: str) -> tuple[str, str]:
    """How the names of two columns differ: a letter, a number or a word (``gpt_answer``); ``a`` and ``b`` elsewhere."""
    twins = find_twins([first, second], frozenset(split_name(first)))
    if twins:
        return twins[0][2]
    one, two = split_name(first), split_name(second)
    different = [pair for pair in zip(one, two, strict=False) if pair[0] != pair[1]]
    return different[0] if len(one) == len(two) and len(different) == 1 else ("a", "b")

"""Which of two answers a cell says is better: by its words, its number, or the text of the answer itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

from gaslamp.data.cells import to_text

Side = Literal["first", "second", "tie"]
Marks = tuple[str, str]

_TIE = """
tie tied ties both neither same equal equally draw none even bothbad unentschieden gleich beide keine keiner empate
ambas ninguna iguales egalite nul aucune egal pareggio gelijk 平局 相同 都 一样 ничья remis berabere 무승부 égalité
"""
_WORSE = "worse worst loses lost loser rejected bad not weaker schlechter peor pire 差"
TIES, WORSE = frozenset(_TIE.split()), frozenset(_WORSE.split())
ORDINALS = {"first": 0, "1st": 0, "left": 0, "second": 1, "2nd": 1, "right": 1}
KNOWN_STRENGTHS = ("preference_strength", "overall_preference")
"""HelpSteer's names for -3 (the first is much better) to 3 (the second is)."""
FIRST_IS_1 = ("labels",)
"""SHP's name for 1 (the first is better) and 0."""
_ORDER = re.compile(r"\[*\s*(\w+)\s*([<>=]+)\s*(\w+)\s*\]*")
_RATING = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(?:%|/\s*\d+|stars?|sterne?|points?|punkte)?", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def clean(value: object) -> str:
    """A cell in lower case, whole numbers without their ``.0``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return to_text(value).strip().casefold().removesuffix(".0")


def get_number(value: object) -> float | None:
    """A cell as a number, from a table too, where it is text; ``None`` when it is none."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return None if value != value else float(value)
    text = value.strip().casefold() if isinstance(value, str) else ""
    text = {"true": "1", "false": "0"}.get(text, text)
    return float(text) if _NUMBER.fullmatch(text) else None


def get_rating(value: object) -> float | None:
    """A rating as a number: ``4``, ``4,5``, ``85 %``, ``4/5``, ``4 stars``, ``★★★☆☆``; ``None`` when it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip()
    if text and set(text) <= set("★☆⭐"):
        return float(len(text) - text.count("☆"))
    found = _RATING.fullmatch(text)
    return float(found[1].replace(",", ".")) if found else None


@lru_cache(1024)
def read_words(text: str, marks: Marks, names: tuple[str, str]) -> Side | None:
    """What words say about two answers; ``None`` when they name neither or both.

    Args:
        text: as ``clean`` gives it.
        marks: the letters or numbers of the two: ("a", "b").
        names: of their columns.
    """
    lower = (names[0].casefold(), names[1].casefold())
    if text in lower:
        return "first" if text == lower[0] else "second"
    if found := _ORDER.fullmatch(text):
        sides = [_find_side([found[group]], marks) for group in (1, 3)]
        if None not in sides and sides[0] != sides[1]:
            left_wins = {">": True, "<": False}.get(found[2][0])
            return "tie" if left_wins is None else _name(sides[0] if left_wins else sides[1])
    words = re.findall(r"[^\W_]+", text)
    if TIES & set(words) or text in ("[[c]]", "both_bad", "="):
        return "tie"
    if WORSE & set(words):
        return None
    if "better than" in text or "over" in words:  # A is better than B
        words = re.findall(r"[^\W_]+", re.split(r"better than|\bover\b", text)[0])
    side = _find_side(words, marks)
    return None if side is None else _name(side)


def _find_side(words: Iterable[str], marks: Marks) -> int | None:
    """0 or 1 when the words name one of the two alone."""
    found = {marks.index(word) for word in words if word in marks}
    found |= {ORDINALS[word] for word in words if word in ORDINALS and word not in marks}
    if not found and not set(marks) & set("0123456789"):  # model_1 of a and b
        found = {"12".index(word) for word in words if word in ("1", "2")}
    return found.pop() if len(found) == 1 else None


def _name(side: int | None) -> Side:
    return "second" if side else "first"


def read_number(text: str, first_if: str, second_if: str | None = None) -> Side | None:
    """What a number or a flag says; ``None`` when it is neither.

    Args:
        text: as ``clean`` gives it.
        first_if: what says that the first is better: ``1``, ``true``, or ``below 0`` and ``above 0.5``.
        second_if: what says that the second is; every other number is a tie. Not with ``below`` and ``above``.
    """
    number = _read_flag(text)
    if number is None:
        return None
    if found := re.fullmatch(r"(below|above) (\S+)", first_if):
        border = float(found[2])
        return "tie" if number == border else "first" if (number < border) is (found[1] == "below") else "second"
    if number == _read_flag(first_if):
        return "first"
    return "second" if second_if is not None and number == _read_flag(second_if) else "tie"


def _read_flag(text: str) -> float | None:
    """A number, or a word for 1 and 0."""
    text = {"true": "1", "yes": "1", "false": "0", "no": "0"}.get(text.strip().casefold(), text)
    return float(text) if _NUMBER.fullmatch(text) else None


def explain_numbers(values: Iterable[object], marks: Marks, column: str) -> list[tuple[str, str | None]]:
    """What the numbers of a column can mean, as pairs of ``first_if`` and ``second_if``; empty: it holds no numbers.

    More than one: nothing here says which of them.

    Args:
        values: of the sample.
        marks: the letters or numbers of the two answers.
        column: its name.
    """
    texts = {clean(value) for value in values if value is not None}
    flags = texts & {"true", "false"}
    numbers = {float(text) for text in texts if _NUMBER.fullmatch(text)} | {float(flag == "true") for flag in flags}
    if not numbers or len(texts) > 2 * (len(numbers) + 1):
        return []
    name = column.casefold().replace(" ", "_").replace("-", "_")
    index, count, flag = ("0", "1"), ("1", "2"), ("1", "0")
    if name in KNOWN_STRENGTHS:
        return [("below 0", None)]
    if any(number < 0 for number in numbers):
        scale: list[tuple[str, str | None]] = [("below 0", None), ("above 0", None)]
        if marks == index and numbers <= {-1.0, 0.0, 1.0}:  # -1: none of them
            return [index] if set(re.split(r"[\W_]+", name)) & {"id", "index", "idx"} else [index, *scale]
        return [count, *scale] if marks == count and {1.0, 2.0} <= numbers <= {-1.0, 0.0, 1.0, 2.0} else scale
    if any(number % 1 for number in numbers):
        if numbers <= {0.0, 0.5, 1.0} or max(numbers) <= 1:
            return [("above 0.5", None), ("below 0.5", None)]
        return [("below 1.5", None)] if min(numbers) >= 1 and max(numbers) <= 2 else _split_scale(numbers)
    if max(numbers) > 2:
        return _split_scale(numbers)
    if flags:
        return [flag, index]
    if marks == index:
        return [index]
    if name in FIRST_IS_1 and max(numbers) <= 1:
        return [flag]
    if 2 in numbers:
        return [count] if 0 not in numbers or marks == ("1", "2") else [index, count]
    if numbers == {1.0} and marks == ("1", "2"):
        return [count]
    return [index, flag]


def _split_scale(numbers: set[float]) -> list[tuple[str, str | None]]:
    """A scale from one answer to the other: below its middle one is better, above it the other."""
    middle = f"{(min(numbers) + max(numbers)) / 2:g}"
    return [(f"below {middle}", None), (f"above {middle}", None)]


def say_numbers(first_if: str, second_if: str | None, column: str, first: str) -> str:
    """A phrase: when the first answer is better."""
    return f"'{first}' is better where '{column}' is {first_if}" + (
        f" (the other where {second_if})" if second_if else ""
    )

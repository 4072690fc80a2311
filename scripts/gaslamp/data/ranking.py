"""The best and the worst of a list of answers, by ranks, scores, flags or the index of the best."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gaslamp.data.cells import parse_list
from gaslamp.data.comparing import WORDS, show
from gaslamp.data.rows import LeftOut, SourceRow
from gaslamp.data.verdicts import get_number

RANKS = ("rank", "ranking", "position")
SCORES = ("score", "overall_score", "rating", "reward", "pm_score", "votes", "upvotes", "likes")
GOOD_MARKS = ("selected", "is_accepted", "accepted", "is_best", "best", "chosen", "preferred", "is_correct", "correct")
"""Flags of the best answer."""


def pick_pair(row: SourceRow, mapping: dict[str, str]) -> tuple[Any, Any]:
    """The best and the worst of the list in column ``ranked``. A lower rank is better, a higher score is better.

    Answers without a rank or score say nothing; two must have one.

    Raises:
        LeftOut: all are equally good.
        ValueError: it says nothing about one of them, or there are no two.
    """
    column = mapping["ranked"]
    answers = parse_list(row.get(column))
    if not isinstance(answers, list) or len(answers) < 2:
        raise ValueError(f"column '{column}' holds no two answers to compare")
    texts = [_get_answer(answer, column) if isinstance(answer, dict) else answer for answer in answers]
    if "best" in mapping:
        best = read_index(row.get(mapping["best"]), mapping.get("first_number", "0"), len(texts))
        if best is None:
            raise ValueError(
                f"column '{mapping['best']}' is {show(row.get(mapping['best']))}, which is none of the {len(texts)} "
                f"answers in '{column}'"
            )
        return texts[best], next(text for number, text in enumerate(texts) if number != best)
    lower_is_better = True
    other = mapping.get("ranks") or mapping.get("scores")
    values: Any = list(range(len(answers)))
    if other:
        values, lower_is_better = parse_list(row.get(other)), "ranks" in mapping
    elif isinstance(answers[0], dict):
        key = next((key for key in (*RANKS, *SCORES, *GOOD_MARKS) if key in answers[0]), None)
        values = [answer.get(key) if isinstance(answer, dict) else None for answer in answers]
        lower_is_better = key in RANKS
    if not isinstance(values, list) or len(values) != len(answers):
        raise ValueError(f"column '{column}': not every answer has a rank or score")
    known = [
        (number, text) for value, text in zip(values, texts, strict=True) if (number := get_number(value)) is not None
    ]
    if len(known) < 2:
        raise ValueError(f"column '{column}': no two of its answers have a rank or score")
    known.sort(key=lambda item: item[0], reverse=not lower_is_better)
    if known[0][0] == known[-1][0]:
        raise LeftOut(f"column '{column}': all answers have the same rank or score")
    return known[0][1], known[-1][1]


def get_value(value: object) -> float | None:
    """A rank or score: a number, or the first rank or score in an object (an annotation)."""
    if isinstance(value, dict):
        value = next((value[key] for key in (*RANKS, *SCORES) if value.get(key) is not None), None)
    return get_number(value)


def _get_answer(answer: dict[str, Any], column: str) -> Any:
    for key in WORDS:
        if answer.get(key):
            return answer[key]
    raise ValueError(f"column '{column}': an answer has no text")


def read_index(value: object, first_number: str, count: int) -> int | None:
    """The place of an answer in its list, from 0; ``None`` when the cell names none.

    Args:
        value: a number, or a letter (A is the first).
        first_number: the number of the first answer, ``0`` or ``1``.
        count: of the answers.
    """
    if isinstance(value, str) and len(value.strip()) == 1 and value.strip().isalpha():
        place = ord(value.strip().upper()) - ord("A")
    else:
        try:
            number = float(str(value))
        except ValueError:
            return None
        if isinstance(value, bool) or number % 1:
            return None
        place = int(number) - int(first_number)
    return place if 0 <= place < count else None


def explain_index(pairs: Iterable[tuple[object, object]]) -> list[str]:
    """From which numbers the index of the best answer can count: ``0``, ``1``, or both; else empty.

    Args:
        pairs: index and list of each row of the sample.
    """
    known = [(value, len(found)) for value, answers in pairs if isinstance(found := parse_list(answers), list)]
    known = [(value, count) for value, count in known if value not in (None, "")]
    starts = ("0", "1") if any(not str(value).strip().isalpha() for value, _ in known) else ("0",)  # or letters
    return [start for start in starts if known and all(read_index(value, start, n) is not None for value, n in known)]


def get_candidates(turn: Any, column: str) -> tuple[Any, Any]:
    """The preferred and the other candidate of a turn, as turns.

    Raises:
        ValueError: it does not say which is preferred, or there is no other.
    """
    found: dict[bool, Any] = {}
    for candidate in turn.get("candidates") or () if isinstance(turn, dict) else ():
        label = str(candidate.get("preferenceLabel", candidate.get("label", ""))).casefold()
        if label in ("preferred", "chosen"):
            found.setdefault(True, candidate)
        elif label in ("non-preferred", "non_preferred", "rejected"):
            found.setdefault(False, candidate)
    if len(found) < 2:
        raise ValueError(f"column '{column}': the last turn has no candidate labelled preferred, or none non-preferred")
    role = turn.get("role", "assistant")
    best, worst = ({"role": role, "content": found[side].get("content")} for side in (True, False))
    return best, worst

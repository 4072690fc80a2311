"""The answer is the row's answer, letter for letter; ``ignore_case`` and white space inside are the only mercy."""

from __future__ import annotations

from gaslamp.data.answers import Place, extract_answer, get_expected
from gaslamp.data.rows import Message, Row

FIRST_FOR = ()  # columns of prompts for which it is the reward to start with
TITLE = "the answer is right, letter for letter"
EXAMPLE = {"completion": "I add them.\n<answer>42</answer>", "row": {"answer": "42"}, "score": 1.0}


def score(
    prompt: list[Message],
    completion: str,
    row: Row,
    place: Place = "auto",
    tag: str = "answer",
    column: str | None = None,
    ignore_case: bool = False,
) -> float:
    """1 or 0. ``place`` and ``tag``: where the completion has its answer.

    ``column``: compare with this column of the row.
    """
    answer, expected = extract_answer(completion, place, tag), get_expected(row, column)
    if answer is None:
        return 0.0
    if ignore_case:
        answer, expected = answer.casefold(), expected.casefold()
    return float(answer.split() == expected.split())

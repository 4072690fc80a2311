"""The answer has the value of the row's answer: 0.5, 1/2 and \\frac{1}{2} are the same (math-verify compares)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gaslamp.data.answers import Place, extract_answer, get_expected
from gaslamp.data.rows import Message, Row

TITLE = "the answer has the right value"
EXAMPLE = {"completion": "Half of it.\n<answer>1/2</answer>", "row": {"answer": "0.5"}, "score": 1.0}


def score(
    prompt: list[Message],
    completion: str,
    row: Row,
    place: Place = "auto",
    tag: str = "answer",
    column: str | None = None,
    digits: int = 6,
) -> float:
    """1 or 0. ``digits``: decimals that must agree; a row whose own answer is no number or formula raises."""
    from math_verify import verify

    expected = _parse(get_expected(row, column))
    if not expected:
        raise ValueError(
            f"the row's answer {get_expected(row, column)!r} is no number and no formula: use exact_answer"
        )
    answer = extract_answer(completion, place, tag)
    if not answer:
        return 0.0
    # the time limit is that of the worker: math-verify's own uses signals, and two of them would meet
    return float(verify(expected, _parse(answer), float_rounding=digits, timeout_seconds=None))


@lru_cache(maxsize=4096)
def _parse(text: str) -> Any:
    from math_verify import parse

    return parse(text, parsing_timeout=None) or parse(f"${text}$", parsing_timeout=None)

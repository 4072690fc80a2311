"""The completion, or the answer inside it, matches a regular expression, for instance ``-?\\d+`` for a whole number."""

from __future__ import annotations

import re
from typing import Literal

from gaslamp.data.answers import Place, extract_answer
from gaslamp.data.rows import Message, Row

TITLE = "matches a pattern"
EXAMPLE = {
    "completion": "<answer>\n42\n</answer>",
    "row": {},
    "options": {"pattern": r"-?\d+", "on": "answer"},
    "score": 1.0,
}


def score(
    prompt: list[Message],
    completion: str,
    row: Row,
    pattern: str,
    on: Literal["completion", "answer"] = "completion",
    whole: bool | None = None,
    place: Place = "auto",
    tag: str = "answer",
    ignore_case: bool = False,
) -> float:
    """1 or 0. ``.`` matches line ends too. ``whole``: the pattern must cover everything (default: only for answers)."""
    text = completion if on == "completion" else extract_answer(completion, place, tag)
    if text is None:
        return 0.0
    find = re.fullmatch if (whole if whole is not None else on == "answer") else re.search
    return float(find(pattern, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None)

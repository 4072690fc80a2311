"""The tags stand somewhere in order, with any space and talk around: the reward that a beginner can earn."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gaslamp.data.rows import Message, Row

TITLE = "the tags in order"
EXAMPLE = {
    "completion": "Well: <reasoning>six\ntimes seven</reasoning> so <answer>42</answer>.",
    "row": {},
    "score": 1.0,
}


def score(prompt: list[Message], completion: str, row: Row, tags: Sequence[str] = ("reasoning", "answer")) -> float:
    """1 or 0."""
    pattern = ".*?".join(rf"<{re.escape(tag)}>.*?</{re.escape(tag)}>" for tag in tags)
    return float(re.search(pattern, completion, re.DOTALL) is not None)

"""The completion is the tags in order, each on a line of its own, once, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gaslamp.data.rows import Message, Row

TITLE = "the tags, each on its own line, and nothing else"
EXAMPLE = {
    "completion": "<reasoning>\nfirst\n\nsecond line\n</reasoning>\n<answer>\n42\n</answer>",
    "row": {},
    "score": 1.0,
}


def score(prompt: list[Message], completion: str, row: Row, tags: Sequence[str] = ("reasoning", "answer")) -> float:
    """1 or 0. White space before and after the whole is ignored; what stands between the tags may have many lines."""
    inside = [rf"<{re.escape(tag)}>\n(.*?)\n</{re.escape(tag)}>" for tag in tags]
    found = re.fullmatch(r"\n+".join(inside), completion.strip(), re.DOTALL)
    marks = [mark for tag in tags for mark in (f"<{tag}>", f"</{tag}>")]
    return float(
        found is not None
        and all(completion.count(mark) == 1 for mark in marks)
        and all(part.strip() for part in found.groups())
    )

"""Share of the tags that occur exactly once, opened and closed: a gradual reward for the format."""

from __future__ import annotations

from collections.abc import Sequence

from gaslamp.data.rows import Message, Row

TITLE = "share of the tags that are there once"
EXAMPLE = {"completion": "<reasoning>x</reasoning><answer>42", "row": {}, "score": 0.75}


def score(
    prompt: list[Message],
    completion: str,
    row: Row,
    tags: Sequence[str] = ("reasoning", "answer"),
    trailing: float = 0.001,
) -> float:
    """0 to 1: share of opening and closing tags that stand there once.

    ``trailing`` is taken off for each character after the last.
    """
    marks = [mark for tag in tags for mark in (f"<{tag}>", f"</{tag}>")]
    share = sum(completion.count(mark) == 1 for mark in marks) / len(marks)
    _, end, rest = completion.rpartition(marks[-1])
    return max(0.0, share - (trailing * len(rest.strip()) if end else 0.0))

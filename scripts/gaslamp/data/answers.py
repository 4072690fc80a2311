"""The answer inside a completion: between tags, after GSM8K's ``####``, in a LaTeX box, or all of it.

Standard library only.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from gaslamp.data.rows import Message, Row, get_reference, get_text
from gaslamp.models.messages import drop_blocks

Place = Literal["auto", "tag", "hash", "boxed", "all"]


def extract_answer(text: str, place: Place = "auto", tag: str = "answer") -> str | None:
    """What ``text`` gives as its answer, stripped; ``None`` when it has none at that place.

    Args:
        text: a completion, or a reference written the same way (GSM8K's ``... #### 72``).
        place: ``tag`` the last ``<answer>...</answer>``; ``hash`` what follows the last ``####`` on its line; ``boxed``
            the last ``\\boxed{...}``; ``all`` the whole text; ``auto`` the first of these that is there, reasoning in
            ``<think>`` left out.
        tag: name of the tag.
    """
    if place == "tag":
        return _get_last(re.findall(rf"<{re.escape(tag)}>(.*?)</{re.escape(tag)}>", text, re.DOTALL))
    if place == "hash":
        return _get_last(re.findall(r"####[ \t]*([^\n]*)", text))
    if place == "boxed":
        return _get_boxed(text)
    if place == "all":
        return text.strip()
    if place != "auto":
        raise ValueError(f"no place '{place}' for an answer: auto, tag, hash, boxed or all")
    found = (extract_answer(text, where, tag) for where in ("tag", "hash", "boxed"))
    return next(
        (answer for answer in found if answer is not None),
        drop_blocks(text).strip(),
    )


def _get_last(found: list[str]) -> str | None:
    return found[-1].strip() if found else None


def _get_boxed(text: str) -> str | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for place in range(start + len("\\boxed"), len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + len("\\boxed{") : place].strip()
    return None


def get_expected(row: Row, column: str | None = None) -> str:
    """What the row says is right: its reference, or one of its own columns; an answer marked inside it is taken out.

    Raises:
        ValueError: the row has none; a reward cannot compare with nothing.
    """
    value: Any = get_reference(row) if column is None else row.get("columns", {}).get(column)
    if value is None:
        raise ValueError(
            "the row has no answer to compare with"
            if column is None
            else f"the row has no column '{column}' (it has: {', '.join(row.get('columns', {})) or 'none'})"
        )
    answer = extract_answer(str(value))
    return str(value).strip() if answer is None else answer


def get_question(prompt: list[Message]) -> str:
    """The words of the last user turn; empty when there is none."""
    return next((get_text(message) for message in reversed(prompt) if message["role"] == "user"), "")

"""The prompts of an evaluation: one for each test row that has one, all with one limit for the answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaslamp.data.rows import Message, Row, get_kind, get_prompt, get_reference
from gaslamp.evaluate.tool_calls import Render, get_reference_calls, render_answer

KEPT_ROWS = Path("data/kept.jsonl")  # of a project: prompts and answers that were kept by hand
FREE_TOKENS = 256  # limit of answers without references
PROMPT_KINDS = ("conversation", "preference", "rating", "prompt")
"""The kinds of rows that have a prompt: running text and pairs have none."""


@dataclass(frozen=True)
class EvalPrompt:
    """One prompt of an evaluation; ``kind`` is test or retention."""

    id: str
    kind: str
    messages: list[Message]
    max_tokens: int
    tools: list[dict[str, Any]] | None = None


def get_opening(render: Render) -> str:
    """What a template writes in front of an answer without thoughts: an empty block of thoughts, or a channel."""
    question, mark = {"role": "user", "content": "q"}, "gaslamp-answer"
    try:
        prompt = render([question], True, None)
        whole = render([question, {"role": "assistant", "content": mark}], False, None)
    except Exception:  # noqa: BLE001 - a template may raise anything on what it does not take
        return ""
    return whole[len(prompt) :].partition(mark)[0] if whole.startswith(prompt) and mark in whole else ""


def get_row_prompts(
    rows: list[Row],
    tokenize: Callable[[str], list[int]],
    max_new_tokens: int | None,
    render: Render | None = None,
) -> list[EvalPrompt]:
    """One prompt for each row that has one; the last turn of a conversation is its reference.

    Args:
        rows: test rows.
        tokenize: of the model.
        max_new_tokens: limit of an answer; ``None``: a fifth more than the longest reference, 256 without references.
        render: the recorded template; tool calls are counted as it writes them.
    """
    prompted = [row for row in rows if get_kind(row) in PROMPT_KINDS]
    references = [
        render_answer(render, row) if render and get_reference_calls(row) else reference
        for row in prompted
        if (reference := get_reference(row, thoughts=True)) is not None
    ]
    # without white space: a server renders a template without the space that Mistral's puts in front of answers, and
    # its answers would have another limit than the trainer's
    opening = len(tokenize(get_opening(render).strip())) if render else 0
    longest = max((len(tokenize(reference)) for reference in references), default=0) + opening
    limit = max_new_tokens or (math.ceil(1.2 * longest) + 4 if references else FREE_TOKENS)
    return [EvalPrompt(row["id"], "test", get_prompt(row), limit, row.get("tools")) for row in prompted]

"""All prompts of an evaluation: test rows first, then the retention questions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gaslamp.core.files import read_jsonl
from gaslamp.evaluate.prompts import EvalPrompt, get_row_prompts
from gaslamp.evaluate.retention import get_retention_prompts
from gaslamp.evaluate.tool_calls import Render


def get_eval_prompts(
    test: Path,
    tokenize: Callable[[str], list[int]],
    max_new_tokens: int | None,
    retention: bool,
    retention_file: Path | None = None,
    render: Render | None = None,
) -> list[EvalPrompt]:
    """The prompts for one model, in one order for all models.

    Args:
        test: data/test.jsonl.
        tokenize: of the model.
        max_new_tokens: limit of test answers, as for ``get_row_prompts``.
        retention: add the shipped general questions.
        retention_file: the user's own questions, added to them.
        render: the recorded template, for the length of tool calls.
    """
    prompts = get_row_prompts(list(read_jsonl(test)), tokenize, max_new_tokens, render)
    return prompts + (get_retention_prompts(retention_file) if retention else [])

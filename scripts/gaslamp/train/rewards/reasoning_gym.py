"""The verifier of a reasoning-gym task: some accept every right answer, some give part of the score."""

from __future__ import annotations

import json
from typing import Any

from gaslamp.data.answers import Place, extract_answer, get_expected, get_question
from gaslamp.data.rows import Message, Row

FIRST_FOR = ("task", "metadata")  # columns of prompts for which it is the reward to start with
TITLE = "accepted by the task's own verifier"
EXAMPLE = {
    "completion": "<answer>3</answer>",
    "row": {"answer": "3"},
    "options": {"task": "simple_equations"},
    "score": 1.0,
}


def score(
    prompt: list[Message],
    completion: str,
    row: Row,
    task: str | None = None,
    place: Place = "auto",
    tag: str = "answer",
) -> float:
    """0 to 1, as the task says.

    Args:
        prompt, completion, row: the row's column ``metadata`` (JSON text, as reasoning-gym gives it) goes to verifiers
            that need it.
        task: a name of reasoning-gym; null takes ``source_dataset`` of the metadata, or the row's column ``task``.
        place, tag: where the completion has its answer.
    """
    from reasoning_gym import get_score_answer_fn

    columns = row.get("columns", {})
    metadata = json.loads(columns.get("metadata") or "{}")
    name = task or metadata.get("source_dataset") or columns.get("task")
    if not name:
        raise ValueError("which task of reasoning-gym? Set the option task, or give the rows a column task")
    known = _Metadata(metadata)
    entry = {"question": get_question(prompt), "answer": get_expected(row), "metadata": known}
    value = float(get_score_answer_fn(name)(answer=extract_answer(completion, place, tag), entry=entry))
    if known.missing:  # many verifiers swallow the KeyError and give 0
        raise ValueError(
            f"the verifier of {name} needs '{known.missing[0]}' of the row's metadata: keep it as JSON text in a "
            "column 'metadata'"
        )
    return value


class _Metadata(dict[str, Any]):
    """Remembers the keys that a verifier looked for and that are missing."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.missing: list[str] = []

    def __missing__(self, key: str) -> Any:
        self.missing.append(key)
        raise KeyError(key)

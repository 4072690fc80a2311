"""What every model is asked: the test rows and the retention questions, in one order, with one length limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaslamp.files import read_jsonl
from gaslamp.rows import get_prompt, get_reference

RETENTION = Path(__file__).parent.parent / "embedded" / "retention.jsonl"
RETENTION_TOKENS = 24


@dataclass(frozen=True)
class Question:
    """One prompt; ``kind`` is test or retention."""

    id: str
    kind: str
    messages: list[dict[str, str]]
    max_tokens: int


def get_questions(
    test: Path, tokenize: Callable[[str], list[int]], max_new_tokens: int | None, retention: bool
) -> list[Question]:
    """The questions for one model.

    Args:
        test: data/test.jsonl; the last turn of a row is its reference and is not asked.
        tokenize: the model's tokenizer.
        max_new_tokens: limit for test answers; None takes a fifth more than the longest reference has.
        retention: add the shipped general questions.
    """
    rows = list(read_jsonl(test))
    limit = max_new_tokens or math.ceil(1.2 * max(len(tokenize(get_reference(row) or "")) for row in rows)) + 4
    questions = [Question(row["id"], "test", get_prompt(row), limit) for row in rows]
    if retention:
        questions += [
            Question(f"retention-{number}", "retention", row["messages"], RETENTION_TOKENS)
            for number, row in enumerate(read_jsonl(RETENTION), 1)
        ]
    return questions


def get_retention_scores(answers: dict[str, str]) -> dict[str, tuple[str, float]]:
    """Question and score of every retention answer: 1 when an accepted word stands in it, whatever its case."""
    import re

    scores = {}
    for number, row in enumerate(read_jsonl(RETENTION), 1):
        answer = answers[f"retention-{number}"]
        hit = any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", answer, re.IGNORECASE) for word in row["accept"])
        scores[f"retention-{number}"] = (row["messages"][-1]["content"], float(hit))
    return scores


def get_prediction(question: Question, text: str, stopped: bool, tokens: int, seconds: float) -> dict[str, Any]:
    """One line of a predictions file; ``stopped``: the model ended its answer by itself."""
    return {"id": question.id, "kind": question.kind, "text": text, "stopped": stopped, "tokens": tokens, "seconds": round(seconds, 4)}

"""What every model is asked: the test rows and the retention questions, in one order, with one length limit."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.data.rows import Message, Row, get_kind, get_prompt, get_reference

RETENTION = Path(__file__).parent.parent / "data" / "embedded" / "retention.jsonl"
KEPT = Path("data/kept.jsonl")  # of a project: questions and answers that were kept by hand
RETENTION_TOKENS = 24
FREE_TOKENS = 256  # limit of answers that no reference bounds
ASKING = ("conversation", "preference", "rating", "prompt")
"""The kinds of rows that ask something: running text and pairs do not."""


@dataclass(frozen=True)
class Question:
    """One prompt; ``kind`` is test or retention."""

    id: str
    kind: str
    messages: list[Message]
    max_tokens: int
    tools: Any = None


def get_questions(
    test: Path,
    tokenize: Callable[[str], list[int]],
    max_new_tokens: int | None,
    retention: bool,
    retention_file: Path | None = None,
) -> list[Question]:
    """The questions for one model; none for rows that ask nothing.

    Args:
        test: data/test.jsonl; the last turn of a row is its reference and is not asked.
        tokenize: the model's tokenizer.
        max_new_tokens: limit for test answers; None takes a fifth more than the longest reference has, 256 without references.
        retention: add the shipped general questions.
        retention_file: the user's own questions, added to them.
    """
    rows = list(read_jsonl(test))
    questions = get_row_questions(rows, tokenize, max_new_tokens)
    if retention:
        questions += get_retention_questions(retention_file)
    return questions


def get_row_questions(
    rows: list[Row], tokenize: Callable[[str], list[int]], max_new_tokens: int | None
) -> list[Question]:
    """One question for each row that asks something."""
    asking = [row for row in rows if get_kind(row) in ASKING]
    references = [reference for row in asking if (reference := get_reference(row)) is not None]
    longest = max((len(tokenize(reference)) for reference in references), default=0)
    limit = max_new_tokens or (math.ceil(1.2 * longest) + 4 if references else FREE_TOKENS)
    return [Question(row["id"], "test", get_prompt(row), limit, row.get("tools")) for row in asking]


def get_retention_questions(own: Path | None = None) -> list[Question]:
    """The shipped general questions, and the user's."""
    return [
        Question(row["id"], "retention", row["messages"], row.get("max_tokens", RETENTION_TOKENS))
        for row in read_retention(own)
    ]


def read_retention(own: Path | None = None) -> list[dict[str, Any]]:
    """Rows with id, messages, accept (words of which one must stand in the answer) and own (whether it is the user's).

    Raises:
        GaslampError: the user's file has rows without question or accept: all of them, with their lines.
    """
    rows = [{**row, "id": f"retention-{number}", "own": False} for number, row in enumerate(read_jsonl(RETENTION), 1)]
    if own is None:
        return rows
    problems = []
    try:
        lines = own.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GaslampError(
            f"cannot read {own}: {error}", "correct eval.retention_file in config.yaml, or set it to null"
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            messages = row.get("messages") or [{"role": "user", "content": row["question"]}]
            accept = [row["accept"]] if isinstance(row["accept"], str) else [str(word) for word in row["accept"]]
            if not accept or not all(isinstance(turn.get("content"), str) for turn in messages):
                raise ValueError("accept is empty, or a turn has no text")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{own}, line {number}: {type(error).__name__}: {error}")
            continue
        rows.append(
            {
                "id": f"retention-own-{number}",
                "messages": messages,
                "accept": accept,
                "own": True,
                "max_tokens": row.get("max_tokens", RETENTION_TOKENS),
            }
        )
    if problems:
        raise GaslampError(
            "\n    - ".join([f"{len(problems)} questions cannot be used", *problems]),
            'each line is {"question": "...", "accept": ["word", ...]}; one of the words must stand in the answer',
        )
    return rows


def get_retention_scores(answers: dict[str, str], own: Path | None = None) -> dict[str, tuple[str, float]]:
    """Question and score of every retention answer: 1 when an accepted word stands in it, whatever its case."""
    scores = {}
    for row in read_retention(own):
        answer = answers[row["id"]]
        hit = any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", answer, re.IGNORECASE) for word in row["accept"])
        scores[row["id"]] = (row["messages"][-1]["content"], float(hit))
    return scores


def get_prediction(
    question: Question, text: str, stopped: bool, tokens: int, seconds: float, ids: list[int] | None = None
) -> dict[str, Any]:
    """One line of a predictions file.

    Args:
        stopped: the model ended its answer by itself.
        ids: the tokens it wrote, without the one that ends; the same text can be split in another way.
    """
    line = {
        "id": question.id,
        "kind": question.kind,
        "text": text,
        "stopped": stopped,
        "tokens": tokens,
        "seconds": round(seconds, 4),
    }
    return line if ids is None else {**line, "ids": ids}


def get_outcome(prediction: dict[str, Any]) -> Any:
    """What a model made of a row, to be compared with what another one made of it: its answer, the rank of the right text, or which
    of two answers it scores higher."""
    if "retrieval" in prediction:
        return prediction["retrieval"]["rank"]
    if {"chosen", "rejected"} <= set(prediction.get("scores", ())):
        return "chosen" if prediction["scores"]["chosen"] > prediction["scores"]["rejected"] else "rejected"
    return prediction["text"]

"""General questions that show what fine-tuning forgot: the shipped ones and the user's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_jsonl
from gaslamp.evaluate.prompts import EvalPrompt

RETENTION = Path(__file__).parent.parent / "data" / "embedded" / "retention.jsonl"
RETENTION_TOKENS = 24


def get_retention_prompts(own: Path | None = None) -> list[EvalPrompt]:
    """The shipped general questions, and the user's."""
    return [
        EvalPrompt(row["id"], "retention", row["messages"], row.get("max_tokens", RETENTION_TOKENS))
        for row in read_retention(own)
    ]


def read_retention(own: Path | None = None) -> list[JsonObject]:
    """Rows with id, messages, accept (words of which one must occur in the answer) and own (whether it is the user's).

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
            'each line is {"question": "...", "accept": ["word", ...]}; one of the words must occur in the answer',
        )
    return rows


def get_retention_scores(answers: dict[str, str], own: Path | None = None) -> dict[str, tuple[str, float]]:
    """Row id -> (question, score) of every retention answer: 1 when it contains an accepted word, in upper or lower
    case.

    Args:
        answers: row id -> answer.
        own: the user's questions.
    """
    scores = {}
    for row in read_retention(own):
        answer = answers[row["id"]]
        hit = any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", answer, re.IGNORECASE) for word in row["accept"])
        scores[row["id"]] = (row["messages"][-1]["content"], float(hit))
    return scores

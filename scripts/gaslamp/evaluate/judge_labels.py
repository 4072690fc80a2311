"""Verdicts of a person on some pairs of answers: how far the judge model agrees with them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.evaluate.predictions import Prediction

VERDICTS = {"base": "lost", "tuned": "won", "same": "drawn"}
"""What a person writes -> what it means for tuned."""


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """Row id -> the line of a file of JSON lines ``{"id": "...", "better": "base" | "tuned" | "same"}``.

    A line may also have the answers that were judged (``base``, ``tuned``): it counts only while they are the same.

    Raises:
        GaslampError: lines that cannot be used, all of them.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GaslampError(
            f"cannot read {path}: {error}", "correct eval.options.llm_judge.labels in config.yaml"
        ) from error
    found: dict[str, dict[str, str]] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if row["better"] not in VERDICTS:
                raise ValueError(f"better is {row['better']!r}")
            found[str(row["id"])] = row
        except (ValueError, KeyError, TypeError) as error:
            problems.append(f"{path}, line {number}: {type(error).__name__}: {error}")
    if problems:
        raise GaslampError(
            "\n    - ".join([f"{len(problems)} labels cannot be used", *problems]),
            'each line is {"id": "id of a test row", "better": "base", "tuned" or "same"}',
        )
    return found


def find_label(labels: dict[str, dict[str, str]], row_id: str, before: Prediction, after: Prediction) -> str | None:
    """What a person said about this pair: won, drawn or lost for tuned; ``None`` for no label of these answers."""
    label = labels.get(row_id)
    if label is None:
        return None
    if label.get("base", before["text"]) != before["text"] or label.get("tuned", after["text"]) != after["text"]:
        return None
    return VERDICTS[label["better"]]


def get_agreement(pairs: list[tuple[str, str]]) -> tuple[float, float]:
    """Share of pairs (person, judge) that are equal, and Cohen's kappa: what of it chance does not explain."""
    n = len(pairs)
    equal = sum(a == b for a, b in pairs) / n
    person, judge = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(person[name] * judge[name] for name in person) / n**2
    return equal, 1.0 if chance == 1 else (equal - chance) / (1 - chance)

"""Rows of an evaluation: a question, what a model answered, and what would have been right (ragas, DeepEval)."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from gaslamp.data.cells import find_column, to_text
from gaslamp.data.meaning.readings import Mapping, Reading
from gaslamp.data.rows import SourceRow

RIGHT = (
    *("ground_truth", "ground_truths", "reference", "reference_answer", "expected", "expected_answer"),
    *("expected_output", "expectedoutput", "gold", "gold_answer", "golden_answer", "ideal", "correct_answer"),
)
"""Columns of right answers."""
ANSWERED = (
    *("answer", "response", "output", "completion", "prediction", "predicted", "actual_output", "actual"),
    *("generated_answer", "model_answer", "model_output", "model_response", "generation", "generated"),
)
"""Columns that, next to a right answer, hold what a model wrote."""
AGREEING = 0.8
"""Share of the rows from which on answers that hold the right one are worked solutions, and not a model's attempts."""


class Evaluated(NamedTuple):
    """The two columns of an evaluation."""

    answered: str
    right: str


def find_evaluated(columns: list[str], rows: list[SourceRow]) -> Evaluated | None:
    """The column of a model's answers and that of right ones; ``None`` where there are no two, or they agree.

    Args:
        columns: of the sample.
        rows: the sample.
    """
    right, answered = find_column(columns, RIGHT), find_column(columns, ANSWERED)
    if not right or not answered:
        return None
    pairs = [(row[answered], row[right]) for row in rows if row.get(answered) and row.get(right)]
    agreeing = sum(_holds(answer, truth) for answer, truth in pairs)
    return Evaluated(answered, right) if pairs and agreeing < AGREEING * len(pairs) else None


def _holds(answer: object, truth: object) -> bool:
    """Whether an answer holds the right one: of a list any of its items."""
    texts = truth if isinstance(truth, list) else [truth]
    return any(_read(text) in _read(answer) for text in texts)


def _read(value: object) -> str:
    return " ".join(to_text(value).casefold().split())


def read_evaluated(found: Evaluated, readings: list[Reading]) -> list[Reading]:
    """The readings with the right answers first, the model's answers behind them: none is certain.

    Args:
        found: from ``find_evaluated``.
        readings: what else the columns can mean.
    """
    own = [one for one in readings if one.mapping.get("completion") in found]
    if not own:
        return readings
    prompt = {role: name for role, name in own[0].mapping.items() if role not in ("completion", "reasoning")}
    why = f"'{found.right}' is what would have been right"
    learnt: Mapping = {**prompt, "completion": found.right}
    scored: Mapping = {role: name for role, name in prompt.items() if role in ("prompt", "system", "context")}
    tried = f"'{found.answered}' is what a model answered, right or not"
    return [
        replace(own[0], key=f"answer {found.right}", mapping=learnt, reason=why, score=0.65),
        Reading(
            f"check {found.right}",
            "grpo",
            {**scored, "answer": found.right},
            "prompt",
            f"rewards compare the model's own answers with '{found.right}'",
            0.6,
        ),
        replace(
            own[0],
            key=f"answer {found.answered}",
            mapping={**prompt, "completion": found.answered},
            reason=tried,
            score=0.55,
        ),
    ]

"""General questions get answers of the trained task: the model forgot that there are others."""

from __future__ import annotations

import json

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.train.diagnose import Seen

TITLE = "other questions are answered as if they were of this task"
CAUSE = "catastrophic forgetting: all training rows are of one task, and the learning rate or the epochs are high"
SEVERITY = "likely"
LIMIT = "other_task_share"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``other_task_share`` of the general questions get a training answer or its form, unlike before."""
    found = [
        (question, after)
        for question, before, after in answers.general
        if _is_of_task(answers, after) and not _is_of_task(answers, before)
    ]
    if not found or len(found) / len(answers.general) <= limits.other_task_share:
        return None
    share, (question, after) = len(found) / len(answers.general), found[0]
    text = f"{len(found)} of {len(answers.general)} general questions ({show(share)}), such as {quote(after)} to "
    text += quote(question, 60)
    remedies = [
        Remedy(
            action="mix more general chat data into the training rows (data.rehearsal in config.yaml, such as 0.1)",
            effect="other tasks are kept",
            moves={"data.rehearsal": "raise"},
        ),
        *answers.lower_rate(),
        *answers.train_less(),
        Remedy(action="keep it, when the model is used for this task alone"),
    ]
    return Seen(text, {"share": share}, remedies)


def _is_of_task(answers: Evaluated, text: str) -> bool:
    text = text.strip()
    if not text:
        return False
    if answers.training and answers.training.find_answer(text):
        return True
    if answers.kind == "classes":
        return normalize(text) in answers.labels
    if answers.kind != "json":
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False

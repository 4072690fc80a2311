"""Answers begin with the question."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.train.diagnose import Seen

TITLE = "answers begin with the question"
CAUSE = "questions carry loss in training, or training answers repeat the question"
SEVERITY = "likely"
LIMIT = "echo_share"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``echo_share`` of the answers, where references do not repeat the question."""
    if not answers.is_answered:
        return None
    places = answers.echoes
    share = answers.get_share(places)
    if not places or share <= limits.echo_share:
        return None
    seen = f"{len(places)} of {len(answers.rows)} answers ({show(share)}), such as {quote(answers.texts[places[0]])}"
    remedies = [
        Remedy(action="check in data/report.html that only answers carry loss"),
        Remedy(action="remove the question from the beginning of training answers"),
    ]
    return Seen(seen, {"share": share}, remedies, rows=answers.get_ids(places))

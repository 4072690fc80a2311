"""Answers name the right labels in another order, which counts as wrong."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.train.diagnose import Seen

TITLE = "right labels in another order count as wrong"
CAUSE = "several labels stand in one answer, and the rows give them in no fixed order"
SEVERITY = "likely"
LIMIT = "order_share"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``order_share`` of the answers have the parts of their reference in another order."""
    if not answers.is_answered:
        return None
    places = answers.reordered
    share = answers.get_share(places)
    if not places or share <= limits.order_share:
        return None
    given, wanted = answers.texts[places[0]], answers.references[places[0]] or ""
    seen = f"{len(places)} of {len(answers.rows)} answers ({show(share)}), such as {quote(given)} for {quote(wanted)}"
    remedies = [
        Remedy(action="write the labels of all training and test rows in one order, such as by the alphabet"),
        Remedy(action="where the order means nothing, let word overlap decide (eval.metrics: [token_f1])"),
    ]
    return Seen(seen, {"share": share}, remedies, rows=answers.get_ids(places))

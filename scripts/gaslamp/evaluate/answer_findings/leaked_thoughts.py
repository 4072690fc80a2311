"""Thoughts stand in the answers: ``<think>`` is not taken out there."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.train.diagnose import Seen

TITLE = "thoughts stand in the answers"
CAUSE = "thoughts of training rows were learnt as part of the answer, or base thinks and the rows do not"
SEVERITY = "likely"
LIMIT = "thought_share"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``thought_share`` of the whole answers have tags of thoughts that no reference has."""
    places = list(answers.leaked_thoughts)
    share = answers.get_share(places)
    if not places or share <= limits.thought_share:
        return None
    seen = f"{len(places)} of {len(answers.rows)} answers ({show(share)}), such as {quote(answers.texts[places[0]])}"
    remedies = [
        Remedy(
            action="read what the checks closed_thought and open_thought say of the training rows (data/report.html)"
        ),
        Remedy(action="where the chat template can turn thoughts off, set train.thinking: off"),
    ]
    return Seen(seen, {"share": share}, remedies, rows=answers.get_ids(places))

"""Answers repeat one piece until they are cut."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.train.diagnose import Seen

TITLE = "answers repeat themselves without an end"
CAUSE = "the learning rate is too high, or the token that ends an answer is not learnt"
SEVERITY = "likely"
LIMIT = "repeat_share"
RULES_OUT = {"eval.max_new_tokens": "raise", "train.learning_rate": "raise"}


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``repeat_share`` of the answers, and more than of the base model."""
    places = answers.repeating
    share = answers.get_share(places)
    if not places or share <= limits.repeat_share:
        return None
    text = (
        f"{len(places)} of {len(answers.rows)} answers ({show(share)}) end like {quote(answers.texts[places[0]][-40:])}"
    )
    remedies = [*answers.lower_rate(), *answers.train_less()]
    remedies.append(Remedy(action="check that the token that ends an answer is learnt: data/template.json"))
    return Seen(text, {"share": share}, remedies, rows=answers.get_ids(places))

"""A way to answer that needs no training is as good."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated
from gaslamp.evaluate.gate import FEW_ROWS
from gaslamp.pages.baselines import describe_score
from gaslamp.pages.numbers import format_value
from gaslamp.train.diagnose import Seen

TITLE = "something that needs no training is as good"
CAUSE = "the task is easier than it looks, or training taught nothing beyond the most frequent answer"
SEVERITY = "hint"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """A baseline whose score tuned does not exceed, where tuned is at least better than base."""
    main = answers.main
    rivals = [one for one in answers.compare.unbeaten if one.score and answers.get_lead(one.score.value) <= 0]
    if not rivals or answers.get_lead(main.base.value) <= 0:
        return None
    parts = [f"{one.title} {describe_score(one, main.unit)}" for one in rivals]
    text = f"{'; '.join(parts)}; tuned {format_value(main.tuned.value, main.unit)}"
    if main.tuned.n < FEW_ROWS:
        text += f" on {main.tuned.n} rows, too few to decide"
    trivial = any(one.trivial for one in rivals)
    action = (
        "look at the answers that differ from the simple rule: do the training rows hold what decides them?"
        if trivial
        else f"use {rivals[0].title} instead, when its cost for each request suits you; else add rows it gets wrong"
    )
    figures = {one.name: one.score.value for one in rivals if one.score}
    return Seen(text, figures, [Remedy(action=action)], severity="likely" if trivial else None)

"""Tuned scores higher than what needs no training, but luck can be the reason: few rows, or a small difference."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated
from gaslamp.evaluate.gate import FEW_ROWS
from gaslamp.pages.baselines import describe_score
from gaslamp.pages.numbers import format_chance, format_value
from gaslamp.train.diagnose import Seen

TITLE = "not clearly better than something that needs no training"
CAUSE = "the test rows are too few to decide, or the difference is small"
SEVERITY = "hint"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """A baseline that tuned is ahead of, but not by more than chance."""
    main = answers.main
    rivals = [one for one in answers.compare.unbeaten if one.score and answers.get_lead(one.score.value) > 0]
    if not rivals or answers.get_lead(main.base.value) <= 0:
        return None
    parts = [f"{one.title} {describe_score(one, main.unit)} ({format_chance(one.p_value)})" for one in rivals]
    text = f"{'; '.join(parts)}; tuned {format_value(main.tuned.value, main.unit)} on {main.tuned.n} rows"
    text += ", too few to decide" if main.tuned.n < FEW_ROWS else ""
    action = "set more rows aside for the test (data.split.test, data.split.max_test)"
    remedies = [Remedy(action=action, moves={"data.split.test": "raise"})]
    figures = {one.name: one.score.value for one in rivals if one.score}
    return Seen(text, figures | {"rows": float(main.tuned.n)}, remedies)

"""Base and tuned behave the same on every row."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated
from gaslamp.pages.numbers import format_value
from gaslamp.train.diagnose import Seen

TITLE = "base and tuned give the same answer to every row"
CAUSE = "training changed nothing, its result was not loaded, or base left nothing to learn"
SEVERITY = "certain"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """All rows are identical; where base has them all right, that is no fault of the training."""
    if answers.compare.identical < len(answers.rows):
        return None
    action = "check whether the adapter was trained at all: logs/<run>/train_model.log and outputs/<run>/train.json"
    text = f"{answers.compare.identical} of {len(answers.rows)} rows are answered alike"
    main = answers.main
    if main.unit == "share" and main.higher is not None and main.base.value == (1.0 if main.higher else 0.0):
        text += f", and base has {main.title} at {format_value(main.base.value, main.unit)} already"
        remedy = Remedy(action="use the base model as it is: it needs no training for these rows")
        return Seen(text, {"rows": float(len(answers.rows))}, [remedy], severity="hint")
    return Seen(text, {"rows": float(len(answers.rows))}, [Remedy(action=action)])

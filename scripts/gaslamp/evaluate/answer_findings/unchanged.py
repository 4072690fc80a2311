"""Base and tuned behave the same on every row."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated
from gaslamp.train.diagnose import Seen

TITLE = "base and tuned give the same answer to every row"
CAUSE = "training changed nothing, or its result was not loaded"
SEVERITY = "certain"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """All rows are identical."""
    if answers.compare.identical < len(answers.rows):
        return None
    action = "check whether the adapter was trained at all: logs/<run>/train_model.log and outputs/<run>/train.json"
    text = f"{answers.compare.identical} of {len(answers.rows)} rows are answered alike"
    return Seen(text, {"rows": float(len(answers.rows))}, [Remedy(action=action)])

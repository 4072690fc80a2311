"""The loss became NaN or infinite: the weights are lost."""

from __future__ import annotations

import math

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.finding import Change, Remedy
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History
from gaslamp.train.remedies import lower_rate

TITLE = "the loss became NaN or infinite"
CAUSE = "the learning rate is too high, or float16 overflowed"
SEVERITY = "certain"
STOPS = True
PANEL = "loss"
RULES_OUT = {"train.learning_rate": "raise"}


def find(history: History, limits: Diagnose) -> Seen | None:
    """The first step whose loss is no number."""
    column = history.columns.get("loss")
    broken = (
        [step for step, value in zip(column.steps, column.values, strict=True) if not math.isfinite(value)]
        if column
        else []
    )
    if not column or not broken:
        return None
    before = history.get("loss")
    seen = f"it was {before[-1]:.3g} before" if before else "it never was a number"
    remedies = lower_rate(history)
    if history.get_setting("dtype") == "float16":
        change = Change(key="train.dtype", before="float16", value="float32")
        remedies.insert(
            0, Remedy(action="use a number format with more range", effect="nothing overflows", changes=[change])
        )
    elif isinstance(warmup := history.get_setting("warmup_steps"), int) and warmup < 20:
        change = Change(key="train.warmup_steps", before=warmup, value=20)
        remedies.append(Remedy(action="warm up longer", effect="the first steps are small", changes=[change]))
    return Seen(f"at step {broken[0]}; {seen}", {"step": float(broken[0])}, remedies, broken[0])

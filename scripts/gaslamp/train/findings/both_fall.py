"""Chosen and rejected answers both become unlikely: the model unlearns the good ones with the bad ones."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History
from gaslamp.train.remedies import change_option, lower_rate

TITLE = "chosen answers become unlikely, together with the rejected ones"
CAUSE = "the learning rate is too high, or beta too low: the margin grows by pushing both down"
SEVERITY = "likely"
PANEL = "logps"
LIMIT = "chosen_fall"
RULES_OUT = {"train.learning_rate": "raise"}
LEAST_STEPS = 20
LEAST = 10.0
"""Nats that the chosen answers must lose: below, a short answer can lose half of what it has and say the same."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """Medians of the first and the last window of both log-probabilities; some fall of both is usual and healthy."""
    chosen, rejected = history.get_windows("logps/chosen"), history.get_windows("logps/rejected")
    if history.step < LEAST_STEPS or len(chosen) < 2 or len(rejected) < 2 or rejected[-1] >= rejected[0]:
        return None
    fall = chosen[0] - chosen[-1]
    if fall < max(LEAST, limits.chosen_fall * abs(chosen[0])):
        return None
    text = (
        f"log-probability of chosen answers {chosen[0]:.0f} to {chosen[-1]:.0f}, of rejected ones {rejected[0]:.0f} "
        f"to {rejected[-1]:.0f}"
    )
    weight = history.get_setting("options.sft_weight")
    keep = change_option(history, "sft_weight", 0.5, "also train on chosen answers as sft does", "they stay likely")
    beta = history.get_setting("options.beta")
    pull = (
        change_option(history, "beta", min(5.0, beta * 3), "hold the model closer to its start", "both fall less")
        if isinstance(beta, int | float)
        else []
    )
    remedies = [*lower_rate(history), *(keep if not weight else []), *pull]
    return Seen(text, {"chosen_first": chosen[0], "chosen_last": chosen[-1]}, remedies)

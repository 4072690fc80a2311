"""The training loss rises and stays up: not a spike, but damage."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History, get_groups
from gaslamp.train.remedies import lower_rate

TITLE = "the loss jumped and stays up"
CAUSE = "the learning rate is too high"
SEVERITY = "likely"
PANEL = "loss"
LIMIT = "loss_rise"
RULES_OUT = {"train.learning_rate": "raise", "train.epochs": "raise", "train.max_steps": "raise"}
MOST = 0.75
"""Share of the last steps that must be above the upper quartile of the lowest window."""
LEAST = 0.1
"""Nats by which it must rise: between 0.001 and 0.002 lies nothing."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """The medians of the last two windows against the lowest before; against the first step's in short trainings."""
    if not history.loss_leads:
        return None
    windows = history.get_windows("loss")
    if len(windows) < 3:
        return None
    low = min(windows[:-2] or windows[:1])
    now = min(windows[-2:])
    if now < low * (1 + limits.loss_rise) or now - low < LEAST:
        return None
    groups = get_groups(history.get("loss"))
    usual = sorted(groups[windows.index(low)])
    late = [value for group in groups[-2:] for value in group]
    if sum(value > usual[-1 - len(usual) // 4] for value in late) < MOST * len(late):
        return None  # easy and hard rows by turns: the median lies now with the ones, now with the others
    figures = {"lowest": low, "last": windows[-1]}
    return Seen(f"its median was {low:.3g} and is {windows[-1]:.3g}", figures, lower_rate(history))

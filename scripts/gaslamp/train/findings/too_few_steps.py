"""The loss still falls at the end: the training ended too early."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.train.diagnose import Seen
from gaslamp.train.findings import memorized, overfitting
from gaslamp.train.history import History, get_fall
from gaslamp.train.remedies import train_longer

TITLE = "the loss still falls at the end"
CAUSE = "too few steps"
SEVERITY = "hint"
PANEL = "loss"
LIMIT = "still_falling"
LEAST = 0.05
"""Nats by which it must still fall."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """The fall of the validation loss over the last fifth of the measurements; without one, of the windows' medians."""
    if not history.loss_leads or not history.is_done:
        return None
    valid = history.get("valid_loss")
    curve = valid if len(valid) > 5 else history.get_windows("loss")
    if len(curve) < 5:
        return None
    late = curve[-1 - max(1, len(curve) // 5) :]
    fall = get_fall(late)
    if fall < limits.still_falling or late[0] - late[-1] < LEAST:
        return None
    if overfitting.find(history, limits) or memorized.find(history, limits):
        return None
    what = "validation" if curve is valid else "training"
    text = f"the {what} loss fell from {late[0]:.3f} to {late[-1]:.3f} in the last fifth of {history.step} steps"
    return Seen(
        text, {"before": late[0], "last": late[-1], "fall": fall}, train_longer(history), validated=curve is valid
    )

"""The validation loss turned up while the training loss went on falling: the rows are memorized."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.finding import Remedy
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History, get_smoothed
from gaslamp.train.remedies import keep_best, lower_rate, train_until

TITLE = "the validation loss turned up"
CAUSE = "too many epochs for so few rows: the model memorizes them"
SEVERITY = "likely"
PANEL = "loss"
LIMIT = "valid_rise"
RULES_OUT = {"train.epochs": "raise", "train.max_steps": "raise", "train.learning_rate": "raise"}
LEAST = 0.02
"""Nats by which it must rise."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """The last two measurements are above the lowest by the threshold, and the training loss is no higher than then."""
    points = history.get_points("valid_loss")
    if not history.loss_leads or len(points) < 5:
        return None
    step, low = min(points, key=lambda point: point[1])
    after = [value for at, value in points if at > step]
    if len(after) < 2 or not step:
        return None
    level = max(low * (1 + limits.valid_rise) if low > 0 else low + LEAST, low + LEAST)
    if min(after[-2:]) < level:
        return None
    losses = history.get_points("loss")
    then = [value for at, value in losses if at <= step]
    if not then or get_smoothed([value for _, value in losses]) > get_smoothed(then) * 1.05:
        return None  # both rise: damage, which loss_rises names
    changes = [*train_until(history, step), *keep_best(history)]
    action = "stop where the validation loss is lowest"
    remedies = [Remedy(action=action, effect="it answers new rows better", changes=changes)] if changes else []
    remedies += lower_rate(history)
    remedies.append(Remedy(action="add rows: they help most against memorizing"))
    figures = {"lowest": low, "last": after[-1], "step": float(step)}
    text = f"lowest {low:.3f} at step {step}, {after[-1]:.3f} at step {points[-1][0]}"
    return Seen(text, figures, remedies, step, validated=True)

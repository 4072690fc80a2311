"""The loss at the tokens that are to be learned does not fall."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.finding import Remedy
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History, get_fall
from gaslamp.train.remedies import raise_rate

TITLE = "the loss does not fall"
CAUSE = "the learning rate is too low, or the rows hold nothing that the model does not know"
SEVERITY = "likely"
PANEL = "loss"
LIMIT = "loss_fall"
RULES_OUT = {"train.learning_rate": "lower"}
LEAST_STEPS, LEAST_POINTS = 20, 6
LOW = 0.1
"""Nats: a loss below was learned before, there is little left to fall."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """By validation loss where there is one, always the same rows; by medians of windows else.

    Said once half of the steps are done: before that, a warm-up may still be under way.
    """
    warmup = history.get_setting("warmup_steps") or 0
    if not history.loss_leads or history.step < max(LEAST_STEPS, history.max_steps / 2, 2 * warmup):
        return None
    windows, valid = history.get_windows("loss"), history.get("valid_loss")
    judged = valid if len(valid) >= LEAST_POINTS else windows
    if len(judged) < 2 or judged[0] < LOW:
        return None
    fall, own = get_fall([judged[0], min(judged[1:])]), get_fall(windows)
    rise = get_fall([judged[0], judged[-1]])
    if fall >= limits.loss_fall or own >= 2 * limits.loss_fall or rise < -limits.loss_fall:
        return None
    what = "validation" if judged is valid else "training"
    figures = {"first": judged[0], "last": judged[-1], "fall": fall}
    text = f"the {what} loss was {judged[0]:.3f} and is {judged[-1]:.3f} after {history.step} steps"
    check = Remedy(action="look at what the base model answers to the rows: it may know them already")
    return Seen(text, figures, [*raise_rate(history), check])

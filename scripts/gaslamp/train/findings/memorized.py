"""The training loss lies far below the validation loss: what is learned are the rows, not the task."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.finding import Change, Remedy
from gaslamp.train.diagnose import Seen
from gaslamp.train.findings import overfitting
from gaslamp.train.history import History, get_windows
from gaslamp.train.remedies import get_length, keep_best

TITLE = "the training loss is far below the validation loss"
CAUSE = "too few rows, seen too often: the model memorizes them"
SEVERITY = "hint"
PANEL = "loss"
LIMIT = "overfit_gap"
RULES_OUT = {"train.epochs": "raise", "train.max_steps": "raise"}
LEAST = 0.5
"""Nats between both losses."""
COMPARABLE = 3.0
"""Times that both may differ before the first step: beyond, the two are not the same quantity."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """Medians, so that rows of rehearsal in the last steps do not count; not where the loss depends on the batch."""
    valid, losses = history.get("valid_loss"), history.get("loss")
    epoch = history.get("epoch")
    if not history.is_loss_comparable or len(valid) < 3 or not losses or not epoch or epoch[-1] < 2:
        return None
    windows = get_windows(losses)
    first, now = losses[0], windows[-1] if windows else losses[-1]
    if not 1 / COMPARABLE < first / max(valid[0], 1e-9) < COMPARABLE:
        return None
    if valid[-1] < limits.overfit_gap * now or valid[-1] - now < LEAST or overfitting.find(history, limits):
        return None
    key, length = get_length(history)
    changes = []
    if length > 2:
        half = length / 2
        changes.append(Change(key=key, before=int(length) if length.is_integer() else length, value=int(half + 0.5)))
    changes += keep_best(history)
    remedies = [Remedy(action="add rows: they help most against memorizing")]
    if changes:
        action = "see the rows less often"
        remedies.insert(0, Remedy(action=action, effect="both losses stay closer together", changes=changes))
    figures = {"training": now, "validation": valid[-1]}
    return Seen(f"{now:.3f} in training, {valid[-1]:.3f} on validation rows", figures, remedies, validated=True)

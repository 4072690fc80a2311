"""The gradient norm grows out of all proportion and stays there."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History
from gaslamp.train.remedies import lower_rate

TITLE = "the gradient explodes"
CAUSE = "the learning rate is too high"
SEVERITY = "likely"
PANEL = "grad_norm"
LIMIT = "gradient_norm"
RULES_OUT = {"train.learning_rate": "raise"}
GROWTH = 10.0
"""Times the first window: a loss that is a sum has large norms from the start, and trains well."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """Medians of windows, so that single spikes do not count."""
    windows = history.get_windows("grad_norm")
    if len(windows) < 2 or windows[-1] < limits.gradient_norm or windows[-1] < GROWTH * windows[0]:
        return None
    figures = {"first": windows[0], "last": windows[-1]}
    return Seen(f"its median went from {windows[0]:.3g} to {windows[-1]:.3g}", figures, lower_rate(history))

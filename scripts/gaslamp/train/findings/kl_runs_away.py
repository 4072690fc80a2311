"""The model has moved far from where it started."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History
from gaslamp.train.remedies import change_option, lower_rate, round_rate

TITLE = "the model moves far from its start"
CAUSE = "the learning rate is too high, or the pull back to the start (beta) too weak"
SEVERITY = "likely"
PANEL = "kl"
LIMIT = "kl"
RULES_OUT = {"train.learning_rate": "raise"}
PULL = 0.04
"""Usual value of beta against it, in GRPO and its family."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """The median KL of a token in the last window over the threshold, and above that of the first.

    ``objective/kl`` is the sum over an answer: it is divided by the most tokens that an answer may have, so that long
    answers of a model that hardly moved do not count.
    """
    name = next((name for name in ("kl", "objective/kl") if history.has(name)), None)
    if not name or not history.learns_from_rewards:
        return None
    tokens = history.get_setting("options.max_completion_length") if name == "objective/kl" else 1
    if not isinstance(tokens, int) or tokens < 1:
        return None
    windows = [value / tokens for value in history.get_windows(name)]
    if len(windows) < 2 or windows[-1] <= limits.kl or windows[-1] <= windows[0]:
        return None
    beta = history.get_setting("options.beta")
    stronger = PULL if not beta else round_rate(beta * 3)
    pull = change_option(history, "beta", stronger, "pull harder to the start", "answers stay readable")
    text = f"the KL divergence went from {windows[0]:.3g} to {windows[-1]:.3g} nats a token"
    return Seen(text, {"first": windows[0], "last": windows[-1]}, [*lower_rate(history), *pull])

"""Most sampled answers reach the limit of their length and are cut."""

from __future__ import annotations

from statistics import median

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.train.diagnose import Seen
from gaslamp.train.findings import constant_reward
from gaslamp.train.findings.constant_reward import grow_completions
from gaslamp.train.history import WINDOWS, History

TITLE = "most sampled answers are cut at the limit"
CAUSE = "train.options.max_completion_length is too low for the task, or the model does not end its answers"
SEVERITY = "likely"
PANEL = "clipped"
LIMIT = "cut_share"
LEAST_STEPS = 10


def find(history: History, limits: Diagnose) -> Seen | None:
    """The median share of the last tenth of the steps, ten steps at least."""
    shares = history.get("completions/clipped_ratio")
    if not history.learns_from_rewards or len(shares) < LEAST_STEPS:
        return None
    now = median(shares[-max(LEAST_STEPS, len(shares) // WINDOWS) :])
    limit = history.get_setting("options.max_completion_length")
    if now <= limits.cut_share or constant_reward.find(history, limits):  # which names the cut as its cause
        return None
    remedies = grow_completions(history, limit) if isinstance(limit, int) else []
    at = f" of {limit} tokens" if isinstance(limit, int) else ""
    return Seen(f"{100 * now:.0f} % reach the limit{at} lately", {"share": now}, remedies)

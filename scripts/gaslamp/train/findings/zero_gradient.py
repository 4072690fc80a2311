"""The gradient is exactly 0 in step after step: nothing changes."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.finding import Remedy
from gaslamp.train.diagnose import Seen
from gaslamp.train.findings import constant_reward
from gaslamp.train.history import History, count_equal_tail

TITLE = "the gradient is 0"
CAUSE = "no token of the rows carries loss, or what is trained does not reach the loss"
SEVERITY = "certain"
STOPS = True
PANEL = "grad_norm"
LIMIT = "constant_steps"


def find(history: History, limits: Diagnose) -> Seen | None:
    """So many steps in a row at the end whose gradient norm is 0; equal rewards cause it too and are named first."""
    norms = history.get("grad_norm")
    count = count_equal_tail(norms, 0.0)
    needed = min(limits.constant_steps, max(3, history.max_steps or limits.constant_steps))
    if count < needed or (history.learns_from_rewards and constant_reward.find(history, limits)):
        return None
    learned = history.learns_from_rewards or history.has("rewards/margins")
    if learned and count < len(norms):
        return None  # every answer has the best reward, every pair has passed the hinge: learned, not broken
    action = "look at the marked tokens in data/report.html and at train.lora.target_modules"
    return Seen(f"in each of the last {count} steps", {"steps": float(count)}, [Remedy(action=action)])

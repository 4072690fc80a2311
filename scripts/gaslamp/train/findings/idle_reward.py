"""One of several reward functions gives every answer the same: it teaches nothing."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.finding import Remedy
from gaslamp.train.diagnose import Seen
from gaslamp.train.findings import constant_reward
from gaslamp.train.history import History

TITLE = "one reward function never distinguishes answers"
CAUSE = "its condition is never met, or always"
SEVERITY = "hint"
PANEL = "reward"
LIMIT = "constant_steps"


def find(history: History, limits: Diagnose) -> Seen | None:
    """A reward whose mean and spread were the same in all steps, where others were not."""
    if not history.learns_from_rewards or constant_reward.find(history, limits):
        return None
    means = {name.split("/")[1]: history.get(name) for name in history.columns if _is_mean(name)}
    if len(means) < 2:
        return None
    idle = {}
    for name, values in means.items():
        spread = history.get(f"rewards/{name}/std")
        if len(values) >= limits.constant_steps and max(values) - min(values) < 1e-9 and not any(spread):
            idle[name] = values[-1]
    if not idle or len(idle) == len(means):
        return None
    listed = ", ".join(f"{name} gave {value:g}" for name, value in idle.items())
    steps = len(history.get("reward"))
    action = f"take {' and '.join(idle)} out of train.rewards, or make it give part of the points"
    return Seen(f"{listed} to every answer in {steps} steps", dict(idle), [Remedy(action=action)])


def _is_mean(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 3 and parts[0] == "rewards" and parts[2] == "mean"

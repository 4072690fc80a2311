"""Sampled answers grow together with the reward: length may be what is rewarded."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.finding import Remedy
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History
from gaslamp.train.remedies import lower_rate

TITLE = "answers grow as the reward rises"
CAUSE = "the reward pays for length: the model pads its answers"
SEVERITY = "hint"
PANEL = "length"
LIMIT = "length_growth"
LEAST_STEPS = 40
AGREE = 0.8
"""Rank correlation of length and reward over the windows."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """Medians of windows: the length grows by the threshold, and both rise and fall together."""
    lengths, rewards = history.get_windows("completions/mean_length"), history.get_windows("reward")
    if not history.learns_from_rewards or history.step < LEAST_STEPS or not 2 <= len(lengths) == len(rewards):
        return None
    if lengths[-1] < limits.length_growth * lengths[0] or rewards[-1] <= rewards[0]:
        return None
    if get_rank_correlation(lengths, rewards) < AGREE:
        return None
    grown = f"{lengths[0]:.0f} to {lengths[-1]:.0f} tokens"
    text = f"{grown}, while the reward went from {rewards[0]:.3g} to {rewards[-1]:.3g}"
    figures = {"first": lengths[0], "last": lengths[-1]}
    action = "read the samples: when they are padded, add the reward length (train.rewards, docs/rewards.md)"
    return Seen(text, figures, [Remedy(action=action), *lower_rate(history)])


def get_rank_correlation(one: list[float], other: list[float]) -> float:
    """Spearman's correlation; 0 where one of them never changes."""
    ranks = [[sorted(values).index(value) for value in values] for values in (one, other)]
    means = [sum(rank) / len(rank) for rank in ranks]
    parts = [[value - mean for value in rank] for rank, mean in zip(ranks, means, strict=True)]
    spread = (sum(value**2 for value in parts[0]) * sum(value**2 for value in parts[1])) ** 0.5
    return sum(a * b for a, b in zip(*parts, strict=True)) / spread if spread else 0.0

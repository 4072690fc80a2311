"""All answers to a prompt get the same reward: there is nothing to prefer, and nothing is learned."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.finding import Change, Remedy
from gaslamp.train.diagnose import Seen
from gaslamp.train.history import History, count_equal_tail
from gaslamp.train.remedies import change_option

TITLE = "all answers get the same reward"
CAUSE = "no answer earns what the reward asks for, or every answer does"
SEVERITY = "certain"
STOPS = True
PANEL = "reward"
LIMIT = "constant_steps"
LEAST_STEPS = 5
HOT = 1.2
"""Temperature up to which more of it helps."""


def find(history: History, limits: Diagnose) -> Seen | None:
    """No group with a spread in so many steps, from the first step on; a reward that once had one is no such case."""
    spread = history.get("reward_std")
    needed = max(LEAST_STEPS, min(limits.constant_steps, history.max_steps or limits.constant_steps))
    if not history.learns_from_rewards or len(spread) < needed:
        return None
    flat = count_equal_tail(history.get("frac_reward_zero_std"), 1.0) if history.has("frac_reward_zero_std") else 0
    count = max(count_equal_tail(spread, 0.0, 1e-6), flat)
    if count < len(spread):
        return None
    rewards = history.get("reward")
    level = f"{rewards[-1]:g}" if rewards and max(rewards) - min(rewards) < 1e-6 else "one value for each prompt"
    cut = history.get("completions/clipped_ratio")[-count:]
    share = sum(cut) / len(cut) if cut else 0.0
    cut_text = f"; {100 * share:.0f} % of the answers were cut" if cut else ""
    figures = {"steps": float(count), "cut": share}
    text = f"{level} for every answer in {count} steps{cut_text}"
    return Seen(text, figures, _get_remedies(history, share > limits.cut_share), history.step)


def _get_remedies(history: History, is_cut: bool) -> list[Remedy]:
    """A longer answer where answers are cut, the answers themselves where the rows have them, more variety else."""
    remedies: list[Remedy] = []
    limit = history.get_setting("options.max_completion_length")
    if is_cut and isinstance(limit, int):
        remedies += grow_completions(history, limit)
    if history.has_answers:
        change = Change(key="method", before=history.method, value="sft")
        action = "learn from the answers of the rows first"
        remedies.append(Remedy(action=action, effect="the model then earns a reward now and then", changes=[change]))
    temperature = history.get_setting("options.temperature")
    if isinstance(temperature, float | int) and temperature < HOT:
        action, effect = "sample with more variety", "some answers of a group differ"
        remedies += change_option(history, "temperature", HOT, action, effect)
    what = "read the samples in the log: add a reward that gives part of the points (train.rewards, docs/rewards.md)"
    return [*remedies, Remedy(action=what)]


def grow_completions(history: History, limit: int) -> list[Remedy]:
    """Four times the limit of sampled answers, and room for them in train.max_length."""
    new = min(65536, limit * 4)
    if new <= limit:
        return []
    changes = [Change(key="train.options.max_completion_length", before=limit, value=new)]
    longest = history.get_setting("max_length")
    if isinstance(longest, int) and longest < 2 * new:
        changes.append(Change(key="train.max_length", before=longest, value=longest - limit + new))
    return [
        Remedy(action="allow longer answers", effect="answers end by themselves and can be judged", changes=changes)
    ]

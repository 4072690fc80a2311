"""The reward went up on rows it never saw, and no metric that knows the right answers did: the reward can be hacked."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core import registry
from gaslamp.core.contracts import MetricResult
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated
from gaslamp.pages.numbers import format_value
from gaslamp.train.diagnose import Seen

TITLE = "the reward rose, the right answers did not"
CAUSE = "the reward pays for something else than right answers, such as their form or length: the model learnt that"
SEVERITY = "likely"
REWARD = "mean_reward"
CHANCE = 0.05


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """Mean reward is clearly better, and each metric that compares with the reference is as it was, or worse."""
    metrics = {metric.name: metric for metric in answers.compare.metrics}
    reward = metrics.get(REWARD)
    judged = [metric for metric in metrics.values() if metric.higher and not metric.fault and _has_reference(metric)]
    if reward is None or not _is_better(reward) or not judged or not any(answers.references):
        return None
    if any(_is_better(metric) or _is_perfect(metric) for metric in judged):
        return None
    worse = [metric for metric in judged if metric.tuned.value < metric.base.value and metric.p_value < CHANCE]
    parts = _get_parts(reward)
    rose = [f"{name} {before:g} → {after:g}" for name, (before, after) in parts.items() if after > before]
    text = f"{reward.title} {_describe(reward)}"
    text += f" (of its parts rose: {', '.join(rose)})" if len(parts) > 1 and rose else ""
    text += "; " + ", ".join(f"{metric.title} {_describe(metric)}" for metric in judged)
    figures = {REWARD: reward.tuned.value} | {metric.name: metric.tuned.value for metric in judged}
    action = (
        "reward the right answer: compare with the row's answer in train.rewards, and give less for form and length"
    )
    places = [n for n in range(len(answers.rows)) if answers.references[n] is not None][:20]
    return Seen(
        text,
        figures,
        [Remedy(action=action)],
        rows=answers.get_ids(places),
        severity="certain" if worse else None,
    )


def _is_better(metric: MetricResult) -> bool:
    return metric.tuned.value > metric.base.value and metric.p_value < CHANCE


def _has_reference(metric: MetricResult) -> bool:
    """Whether it compares the answer with that of the row."""
    return metric.name in registry.names("metrics") and getattr(registry.get("metrics", metric.name), "REFERENCE", True)


def _is_perfect(metric: MetricResult) -> bool:
    return metric.unit == "share" and metric.base.value == 1.0


def _describe(metric: MetricResult) -> str:
    return f"{format_value(metric.base.value, metric.unit)} → {format_value(metric.tuned.value, metric.unit)}"


def _get_parts(reward: MetricResult) -> dict[str, tuple[float, float]]:
    """Reward function -> its mean of base and of tuned."""
    base, tuned = reward.details.get("base") or {}, reward.details.get("tuned") or {}
    return {name: (float(base[name]), float(tuned[name])) for name in base if name in tuned}

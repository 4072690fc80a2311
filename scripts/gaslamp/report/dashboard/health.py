"""Whether the last steps of a curve look healthy, and what to change when they do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gaslamp.report.dashboard.series import WINDOW
from gaslamp.report.dashboard.trainings import Training

EARLY = 5
"""Steps before which nothing can be said."""


@dataclass(frozen=True)
class Health:
    """What the last steps look like; an empty level and text where nothing can be said."""

    level: Literal["", "ok", "watch", "bad"] = ""
    text: str = ""


def _mean(values: Iterable[float]) -> float | None:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else None


def _get_last_mean(training: Training, name: str) -> float | None:
    series = training.series.get(name)
    return _mean(series.values[-WINDOW:]) if series else None


def judge(panel: str, curve: str, training: Training, loss_leads: bool) -> Health:
    """The health of one chart, from the last steps.

    Args:
        panel: id of the chart.
        curve: name of its first curve.
        training: what was logged.
        loss_leads: whether the loss is the value to watch; where the model learns from rewards it is not.
    """
    if panel == "loss":
        return _judge_loss(training, loss_leads)
    series, now = training.series.get(curve), _get_last_mean(training, curve)
    if series is None or now is None or len(series.values) < EARLY:
        return Health()
    if panel == "reward":
        spread = _get_last_mean(training, "reward_std")
        if spread is not None and spread < 1e-3:
            return Health("watch", "all answers of a group score alike: nothing to learn from")
    if panel == "reward" or panel.startswith("reward:"):
        first = _mean(series.values[:WINDOW])
        level: Literal["ok", "watch"] = "ok" if first is not None and now >= first else "watch"
        return Health(level, f"{first:.3g} at first, {now:.3g} lately")
    return _judge_value(panel, now)


def _judge_value(panel: str, now: float) -> Health:
    """The health of a chart whose recent mean alone decides."""
    if panel == "grad_norm":
        if now > 100:
            return Health("bad", f"{now:.3g} on average: far above 10, lower train.learning_rate")
        if 0.01 <= now <= 10:
            return Health("ok", f"{now:.3g}: in the usual range")
        return Health("watch", f"{now:.3g}: outside the usual 0.01 to 10")
    if panel == "kl":
        if now > 10:
            return Health("bad", f"{now:.3g}: far from the starting model")
        return Health("ok", f"{now:.3g}: close to the starting model")
    if panel == "clipped":
        if now > 0.2:
            return Health("watch", f"{100 * now:.0f} % are cut: raise the completion length")
        return Health("ok", f"{100 * now:.0f} % are cut")
    if panel in ("accuracy", "rm_accuracy"):
        if now > 0.55:
            return Health("ok", f"{100 * now:.0f} % of the last pairs")
        return Health("watch", f"{100 * now:.0f} %: no better than guessing so far")
    if panel in ("margin", "rm_margin"):
        if now > 0:
            return Health("ok", f"{now:.3g}")
        return Health("watch", f"{now:.3g}: rejected answers still score higher")
    if panel == "memory":
        return Health("ok", f"{now:.2f} GB at most")
    return Health()


def _judge_loss(training: Training, loss_leads: bool) -> Health:
    series = training.series.get("loss")
    if series is None or not len(series.values):
        return Health()
    if series.broken:
        return Health("bad", "the loss became NaN or infinite: lower train.learning_rate, or raise train.warmup_steps")
    if len(series.values) < EARLY:
        return Health("ok", "too few steps yet")
    first = _mean(series.values[: max(3, min(WINDOW, len(series.values) // 5))])
    now = _get_last_mean(training, "loss")
    valid = training.series.get("valid_loss")
    known = [value for value in valid.values if value == value] if valid else []
    if len(known) > 2 and known[-1] > min(known) * 1.1 and now is not None and now < min(known):
        return Health(
            "watch",
            f"validation loss rose from {min(known):.3g} to {known[-1]:.3g} while training loss fell: overfitting, "
            "use fewer epochs",
        )
    if first is None or now is None:
        return Health()
    if not loss_leads:
        return Health("ok", f"watch the reward, not the loss; {first:.3g} at first, {now:.3g} lately")
    if now > first * 1.2:
        return Health("bad", f"it rises, {first:.3g} to {now:.3g}: lower train.learning_rate")
    if now > first * 0.98 and len(series.values) > 3 * WINDOW:
        return Health(
            "watch",
            f"flat at {now:.3g}: raise train.learning_rate, or check whether the rows are new to the model",
        )
    return Health("ok", f"{first:.3g} at first, {now:.3g} lately: it falls" if now < first * 0.98 else f"{now:.3g}")

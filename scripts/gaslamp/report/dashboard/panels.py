"""Which curves a task shows, and what is healthy: one description for the page and for the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gaslamp.report.dashboard.trainings import WINDOW, Series, Training

FAMILIES = {
    "sft": ("sft", "cpt"),
    "dpo": ("dpo", "orpo", "simpo", "cpo", "ipo"),
    "kto": ("kto",),
    "grpo": ("grpo", "gspo", "dr_grpo", "dapo", "rloo", "online_dpo"),
    "reward": ("reward",),
    "vision": ("vision_sft",),
    "embedding": ("embedding",),
    "tts": ("tts",),
}
TASKS = {
    "sft": "supervised fine-tuning",
    "dpo": "preference optimization",
    "kto": "ratings (KTO)",
    "grpo": "reinforcement learning",
    "reward": "reward model",
    "vision": "vision fine-tuning",
    "embedding": "embedding model",
    "tts": "text to speech",
}


@dataclass
class Curve:
    """One line of a chart; ``sigma`` names the series that is drawn as a band around it."""

    name: str
    label: str
    sigma: str | None = None


@dataclass
class Panel:
    """One chart."""

    id: str
    title: str
    curves: list[Curve]
    about: str  # what a healthy curve looks like
    smooth: bool = False  # the EMA switch and the running mean apply
    log: bool = False
    wide: bool = False
    hint: dict[str, str] = field(default_factory=dict)  # level (ok, watch, bad), text


def get_family(method: str) -> str:
    """The kind of panels a method gets: that of its own family, by name, else those of supervised fine-tuning."""
    for family, methods in FAMILIES.items():
        if method in methods:
            return family
    return next((family for family in FAMILIES if method.startswith(family)), "sft")


_LOSS = "Falls fast, then flattens. Flat from the first step: the learning rate is too low. Jumps: it is too high."
_KNOWN: dict[str, tuple[str, str, list[Curve], str, bool]] = {
    # id: title, unit of families ("" = all), curves, what is healthy, smooth
    "reward": (
        "Reward, mean and spread",
        "grpo",
        [Curve("reward", "mean reward", "reward_std")],
        "Rises. The band is one standard deviation within a group: where it closes, all answers score alike and nothing is learnt.",
        True,
    ),
    "kl": (
        "KL to the starting model",
        "grpo kto",
        [Curve("kl", "KL")],
        "Grows slowly. Above about 10 the model has left what it knew: lower the learning rate or raise beta.",
        True,
    ),
    "length": (
        "Completion length",
        "grpo",
        [
            Curve("completions/mean_length", "mean tokens"),
            Curve("completions/max_length", "longest"),
            Curve("completions/min_length", "shortest"),
        ],
        "Settles. At the limit, answers are cut: raise the completion length.",
        False,
    ),
    "clipped": (
        "Answers cut at the limit",
        "grpo",
        [Curve("completions/clipped_ratio", "share cut")],
        "Near 0. Answers that are cut get no fair reward.",
        False,
    ),
    "preference": (
        "Rewards of chosen and rejected",
        "dpo kto",
        [Curve("rewards/chosen", "chosen"), Curve("rewards/rejected", "rejected")],
        "They part: chosen above rejected. Both falling together is common; chosen far below 0 means the model unlearns good answers.",
        True,
    ),
    "margin": ("Margin, chosen minus rejected", "dpo kto", [Curve("rewards/margins", "margin")], "Rises from 0.", True),
    "accuracy": (
        "Pairs told apart",
        "dpo kto",
        [Curve("rewards/accuracies", "share")],
        "Rises from 0.5 towards 1. At 1 within a few steps, the pairs are too easy.",
        True,
    ),
    "logps": (
        "Log-probability of the answers",
        "dpo kto",
        [Curve("logps/chosen", "chosen"), Curve("logps/rejected", "rejected")],
        "Chosen stays; rejected falls.",
        False,
    ),
    "rm_accuracy": ("Pairs told apart", "reward", [Curve("accuracy", "share")], "Rises from 0.5 towards 1.", True),
    "rm_margin": ("Margin, chosen minus rejected", "reward", [Curve("margin", "margin")], "Rises from 0.", True),
    "rm_range": (
        "Scores given",
        "reward",
        [Curve("mean_reward", "mean"), Curve("max_reward", "highest"), Curve("min_reward", "lowest")],
        "Stays within some units of 0; running away to both sides asks for centering.",
        False,
    ),
    "token_accuracy": (
        "Next tokens guessed right",
        "",
        [Curve("token_accuracy", "share")],
        "Rises. 1.0 long before the end: the rows are learnt by heart.",
        True,
    ),
    "entropy": (
        "Entropy of the next token",
        "grpo sft vision",
        [Curve("entropy", "nats")],
        "Falls slowly; near 0 the model says one thing only.",
        True,
    ),
}


def get_panels(training: Training) -> list[Panel]:
    """The charts of a training, in reading order; those whose values were never logged are left out."""
    family, series = get_family(training.method), training.series
    panels = [
        Panel(
            "loss",
            "Loss, training and validation",
            [Curve("loss", "training"), Curve("valid_loss", "validation")],
            _LOSS,
            smooth=True,
            wide=True,
        )
    ]
    for name, (title, families, curves, about, smooth) in _KNOWN.items():
        shown = [
            Curve(curve.name, curve.label, curve.sigma if curve.sigma in series else None)
            for curve in curves
            if curve.name in series
        ]
        if shown and (not families or family in families.split()):
            panels.append(Panel(name, title, shown, about, smooth=smooth))
    if family == "grpo":
        panels += _get_reward_panels(series)
        if not any(panel.id == "reward" for panel in panels):
            panels += [
                Panel(
                    "reward",
                    "Reward",
                    [Curve(name, name) for name in ("rewards/chosen", "objective/scores") if name in series],
                    "Rises.",
                    smooth=True,
                )
            ]
    panels = [panel for panel in panels if panel.id == "loss" or panel.curves]
    panels += [
        Panel(
            "learning_rate",
            "Learning rate",
            [Curve("learning_rate", "learning rate")],
            "Rises in the warm-up, then falls as the schedule says.",
        ),
        Panel(
            "grad_norm",
            "Gradient norm",
            [Curve("grad_norm", "norm")],
            "Steady, usually 0.1 to 10. Spikes that stay: lower the learning rate.",
            smooth=True,
        ),
        Panel(
            "speed",
            "Tokens per second",
            [Curve("tokens_per_second", "tokens/s")],
            "Steady; it moves with the length of the rows.",
            smooth=True,
        ),
        Panel("memory", "Memory of the training process", [Curve("memory_gb", "GB")], "Flat after the first steps."),
    ]
    for panel in panels:
        panel.hint = _judge(panel, training)
    return [panel for panel in panels if any(curve.name in series for curve in panel.curves)]


def _get_reward_panels(series: dict[str, Series]) -> list[Panel]:
    """One for each reward function: TRL logs ``rewards/<name>/mean`` and ``/std``."""
    panels = []
    for name in sorted(series):
        parts = name.split("/")
        if parts[0] == "rewards" and parts[-1] == "mean" and len(parts) > 2:
            own = "/".join(parts[1:-1])
            sigma = f"rewards/{own}/std"
            panels.append(
                Panel(
                    f"reward:{own}",
                    f"Reward {own}",
                    [Curve(name, own, sigma if sigma in series else None)],
                    "Rises; a reward that stays at 0 teaches nothing.",
                    smooth=True,
                )
            )
    return panels


# ------------------------------------------------------------------------------------------------------- healthy ranges


def _mean(values: Any) -> float | None:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else None


def _tail(training: Training, name: str) -> float | None:
    series = training.series.get(name)
    return _mean(series.values[-WINDOW:]) if series else None


def _judge(panel: Panel, training: Training) -> dict[str, str]:
    """A word on what is seen, from the last steps; empty where nothing can be said."""
    if panel.id == "loss":
        return _judge_loss(training)
    first = panel.curves[0].name if panel.curves else ""
    series, now = training.series.get(first), _tail(training, first)
    if series is None or now is None or len(series.values) < 5:
        return {}
    if panel.id == "grad_norm":
        if now > 100:
            return _hint("bad", f"{now:.3g} on average: far above 10, lower train.learning_rate")
        return (
            _hint("ok", f"{now:.3g}: in the usual range")
            if 0.01 <= now <= 10
            else _hint("watch", f"{now:.3g}: outside the usual 0.01 to 10")
        )
    if panel.id == "kl":
        return (
            _hint("bad", f"{now:.3g}: far from the starting model")
            if now > 10
            else _hint("ok", f"{now:.3g}: close to the starting model")
        )
    if panel.id == "clipped":
        return (
            _hint("watch", f"{100 * now:.0f} % are cut: raise the completion length")
            if now > 0.2
            else _hint("ok", f"{100 * now:.0f} % are cut")
        )
    if panel.id in ("accuracy", "rm_accuracy"):
        return (
            _hint("ok", f"{100 * now:.0f} % of the last pairs")
            if now > 0.55
            else _hint("watch", f"{100 * now:.0f} %: no better than guessing so far")
        )
    if panel.id in ("margin", "rm_margin"):
        return (
            _hint("ok", f"{now:.3g}") if now > 0 else _hint("watch", f"{now:.3g}: rejected answers still score higher")
        )
    if panel.id == "reward":
        spread = _tail(training, "reward_std")
        if spread is not None and spread < 1e-3:
            return _hint("watch", "all answers of a group score alike: nothing to learn from")
    if panel.id == "reward" or panel.id.startswith("reward:"):
        begun = _mean(series.values[:WINDOW])
        return _hint("ok" if begun is not None and now >= begun else "watch", f"{begun:.3g} at first, {now:.3g} lately")
    if panel.id == "memory":
        return _hint("ok", f"{now:.2f} GB at most")
    return {}


def _judge_loss(training: Training) -> dict[str, str]:
    series = training.series.get("loss")
    if series is None or not len(series.values):
        return {}
    if series.broken:
        return _hint("bad", "the loss became NaN or infinite: lower train.learning_rate, or raise train.warmup_steps")
    if len(series.values) < 5:
        return _hint("ok", "too early to tell")
    begun, now = _mean(series.values[: max(3, min(WINDOW, len(series.values) // 5))]), _tail(training, "loss")
    valid = training.series.get("valid_loss")
    known = [value for value in valid.values if value == value] if valid else []
    if len(known) > 2 and known[-1] > min(known) * 1.1 and now is not None and now < min(known):
        return _hint(
            "watch",
            f"validation loss rose from {min(known):.3g} to {known[-1]:.3g} while training fell: rows are learnt by heart, fewer epochs are better",
        )
    if begun is None or now is None:
        return {}
    if get_family(training.method) == "grpo":
        return _hint("ok", f"{begun:.3g} at first, {now:.3g} lately; here the reward tells more than the loss")
    if now > begun * 1.2:
        return _hint("bad", f"it rises, {begun:.3g} to {now:.3g}: lower train.learning_rate")
    if now > begun * 0.98 and len(series.values) > 3 * WINDOW:
        return _hint(
            "watch",
            f"flat at {now:.3g}: raise train.learning_rate, or look whether the rows say anything new to the model",
        )
    return _hint("ok", f"{begun:.3g} at first, {now:.3g} lately: it falls" if now < begun * 0.98 else f"{now:.3g}")


def _hint(level: str, text: str) -> dict[str, str]:
    return {"level": level, "text": text}

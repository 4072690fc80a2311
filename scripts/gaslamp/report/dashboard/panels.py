"""The charts of a training: one description for the web page, the terminal and the report.

A method lists the ids of its charts (``PANELS``); every training also has those of ``COMMON``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gaslamp.report.dashboard.health import Health, judge
from gaslamp.report.dashboard.series import Series
from gaslamp.report.dashboard.trainings import Training
from gaslamp.report.methods import describe_method

EACH_REWARD = "reward:*"
"""Stands in ``PANELS`` for one chart for each reward function."""


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        name: the logged value that it shows.
        label: how the legend names it.
        sigma: the logged value that is shown as a band around it.
    """

    name: str
    label: str
    sigma: str | None = None


@dataclass(frozen=True)
class Spec:
    """One chart as it is described, whatever was logged.

    Attributes:
        title: its heading.
        curves: its lines.
        about: what a healthy curve looks like.
        smooth: a smoothed curve is drawn too.
        wide: it takes a whole row of the page.
    """

    title: str
    curves: tuple[Curve, ...]
    about: str
    smooth: bool = False
    wide: bool = False


@dataclass
class Panel:
    """One chart of a training: a description with the curves that were logged, and how healthy they look."""

    id: str
    title: str
    curves: list[Curve]
    about: str
    smooth: bool = False
    wide: bool = False
    hint: Health = field(default_factory=Health)


PANELS: dict[str, Spec] = {
    "loss": Spec(
        "Loss, training and validation",
        (Curve("loss", "training"), Curve("valid_loss", "validation")),
        "Falls fast, then flattens. Single spikes are odd rows, or rows of rehearsal. The training loss is smoothed, "
        "the validation loss always measured on the same rows.",
        smooth=True,
        wide=True,
    ),
    "reward": Spec(
        "Reward, mean and spread",
        (
            Curve("reward", "mean reward", "reward_std"),
            Curve("rewards/chosen", "chosen"),
            Curve("objective/scores", "score"),
        ),
        "Rises. The band is one standard deviation within a group: where it closes, all answers score alike and "
        "nothing is learned.",
        smooth=True,
    ),
    "kl": Spec(
        "KL to the starting model",
        (Curve("kl", "KL"), Curve("objective/kl", "KL")),
        "Grows slowly. Above about 10 the model has moved far from the base model: lower the learning rate or raise "
        "beta.",
        smooth=True,
    ),
    "length": Spec(
        "Completion length",
        (
            Curve("completions/mean_length", "mean tokens"),
            Curve("completions/max_length", "longest"),
            Curve("completions/min_length", "shortest"),
        ),
        "Settles. At the limit, answers are cut: raise the completion length.",
    ),
    "clipped": Spec(
        "Answers cut at the limit",
        (Curve("completions/clipped_ratio", "share cut"),),
        "Near 0. Answers that are cut get no fair reward.",
    ),
    "preference": Spec(
        "Rewards of chosen and rejected",
        (Curve("rewards/chosen", "chosen"), Curve("rewards/rejected", "rejected")),
        "They part: chosen above rejected. Both falling together is common; chosen far below 0 means that the model "
        "unlearns good answers.",
        smooth=True,
    ),
    "margin": Spec(
        "Margin, chosen minus rejected", (Curve("rewards/margins", "margin"),), "Rises from 0.", smooth=True
    ),
    "accuracy": Spec(
        "Pairs ranked correctly",
        (Curve("rewards/accuracies", "share"),),
        "Rises from 0.5 towards 1. At 1 within a few steps, the pairs are too easy.",
        smooth=True,
    ),
    "logps": Spec(
        "Log-probability of the answers",
        (Curve("logps/chosen", "chosen"), Curve("logps/rejected", "rejected")),
        "Chosen stays; rejected falls.",
    ),
    "rm_accuracy": Spec(
        "Pairs ranked correctly", (Curve("accuracy", "share"),), "Rises from 0.5 towards 1.", smooth=True
    ),
    "rm_margin": Spec("Margin, chosen minus rejected", (Curve("margin", "margin"),), "Rises from 0.", smooth=True),
    "rm_range": Spec(
        "Scores given",
        (Curve("mean_reward", "mean"), Curve("max_reward", "highest"), Curve("min_reward", "lowest")),
        "Stays within some units of 0. When it drifts to both sides, raise the option center.",
    ),
    "token_accuracy": Spec(
        "Next tokens predicted correctly",
        (Curve("token_accuracy", "share"),),
        "Rises. 1.0 long before the end: the rows are memorized.",
        smooth=True,
    ),
    "entropy": Spec(
        "Entropy of the next token",
        (Curve("entropy", "nats"),),
        "Falls slowly; near 0 the model always gives the same answer.",
        smooth=True,
    ),
    "learning_rate": Spec(
        "Learning rate",
        (Curve("learning_rate", "learning rate"),),
        "Rises in the warm-up, then falls as the scheduler says.",
    ),
    "grad_norm": Spec(
        "Gradient norm",
        (Curve("grad_norm", "norm"),),
        "Steady, usually 0.1 to 10. Spikes that stay: lower the learning rate.",
        smooth=True,
    ),
    "speed": Spec(
        "Tokens per second",
        (Curve("tokens_per_second", "tokens/s"),),
        "Steady; it varies with the length of the rows.",
        smooth=True,
    ),
    "memory": Spec("Memory of the training process", (Curve("memory_gb", "GB"),), "Flat after the first steps."),
}
"""Every chart that a method may name in its ``PANELS``."""

LOSS_OF_REWARDS = "Starts near 0 and says little about the answers: watch the reward."
"""What to see in the loss of a method that learns from rewards."""
COMMON = ("learning_rate", "grad_norm", "speed", "memory")
ALTERNATIVES = ("reward", "kl")
"""Charts whose curves are names of the same value in different trainers: the first that was logged is shown."""


def get_panels(training: Training) -> list[Panel]:
    """The charts of a training in reading order, the loss first; charts whose values were not logged are left out."""
    method, series = describe_method(training.method), training.series
    loss_leads = method.main_panels[0] == "loss"
    panels: list[Panel] = []
    for name in dict.fromkeys(("loss", *method.panels, *COMMON)):
        if name == EACH_REWARD:
            panels += _get_reward_panels(series)
            continue
        spec = PANELS[name]
        shown = [
            Curve(curve.name, curve.label, curve.sigma if curve.sigma in series else None)
            for curve in spec.curves
            if curve.name in series
        ]
        if shown:
            shown = shown[:1] if name in ALTERNATIVES else shown
            about = LOSS_OF_REWARDS if name == "loss" and not loss_leads else spec.about
            panels.append(Panel(name, spec.title, shown, about, spec.smooth, spec.wide))
    for panel in panels:
        panel.hint = judge(panel.id, panel.curves[0].name, training)
    return panels


def _get_reward_panels(series: Mapping[str, Series]) -> list[Panel]:
    """One chart for each reward function; TRL logs ``rewards/<name>/mean`` and ``/std``."""
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

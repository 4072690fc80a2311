"""Points of a sweep that do worse than the others end early: Optuna's pruners, on the validation loss of each training.

They compare measurements and not steps: the third of ten is the third of ten in a training of twice the steps too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gaslamp.core.errors import GaslampError
from gaslamp.core.events import get_history, read_events
from gaslamp.train.validation import POINTS

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from gaslamp.train.history import History

PRUNED = "pruned by"
"""How the reason of a training begins that a pruner ended; train.json has it as the decision ``ended``."""
FIRST = 2
"""Measurements of a training before it can end: the first say how large the steps are, not how good the point is."""
OTHERS = 3
"""Trainings that must have ended before one is compared with them (median and percentile)."""


class Curve(NamedTuple):
    """Validation losses of a training, in order; whether it went through."""

    losses: list[float]
    is_whole: bool


class Pruner:
    """Compares a running training with the trainings of other points that have ended."""

    def __init__(self, name: str, others: Sequence[Path]) -> None:
        """Read nothing yet: which others have ended may change while this training runs.

        Args:
            name: median, percentile, successive_halving or hyperband.
            others: metrics.jsonl of points whose losses can be compared with those of this one; they need not exist.
        """
        self.name, self.others = name, others

    def find_end(self, history: History) -> str | None:
        """Why the training should end now; ``None``: it goes on."""
        points = [(step, loss) for step, loss in history.get_points("valid_loss") if step]
        curves = [curve for file in self.others if (curve := read_curve(file)) is not None]
        if not should_prune(self.name, curves, [loss for _, loss in points]):
            return None
        lowest = min(curve.losses[min(len(points), len(curve.losses)) - 1] for curve in curves)
        step, loss = points[-1]
        least = f"the best of {len(curves)} others had {lowest:.4g}"
        return f"{PRUNED} {self.name}: validation loss {loss:.4g} at step {step}; {least}"


def read_curve(metrics: Path) -> Curve | None:
    """The curve of a training that has ended; ``None``: there is none, it runs, or it failed."""
    events = read_events(metrics) if metrics.is_file() else []
    last = events[-1] if events else {}
    if last.get("event") != "end" or last.get("status") != "completed":
        return None
    losses = [
        float(event["valid_loss"])
        for event in get_history(events, "eval")
        if event.get("valid_loss") is not None and event["step"]
    ]
    return Curve(losses, not str(last.get("reason") or "").startswith(PRUNED)) if losses else None


def should_prune(name: str, others: Sequence[Curve], losses: Sequence[float]) -> bool:
    """Whether a training is to end after its last measurement.

    Args:
        name: of the pruner.
        others: trainings that have ended, in the order in which they came.
        losses: of this training, in nats, from its first measurement on.
    """
    if len(losses) <= FIRST or not others:
        return False
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="sweep", direction="minimize", pruner=get_pruner(name))
    for curve in others:  # replayed: halving notes in each training how far it came
        trial = study.ask()
        for number, loss in enumerate(curve.losses, 1):
            trial.report(loss, number)
            trial.should_prune()
        state = optuna.trial.TrialState.COMPLETE if curve.is_whole else optuna.trial.TrialState.PRUNED
        study.tell(trial, curve.losses[-1] if curve.is_whole else None, state=state)  # words: ok
    trial, is_hopeless = study.ask(), False
    for number, loss in enumerate(losses, 1):
        trial.report(loss, number)
        is_hopeless = trial.should_prune()
    return is_hopeless


def get_pruner(name: str) -> BasePruner:
    """The pruner of Optuna with that name.

    Raises:
        GaslampError: optuna is not installed.
    """
    try:
        from optuna import pruners
    except ImportError:
        raise GaslampError(
            "sweep.prune needs the package optuna", "make setup", "sweep.prune: none needs none"
        ) from None
    if name == "hyperband":
        return pruners.HyperbandPruner(min_resource=FIRST, max_resource=POINTS, reduction_factor=2)
    if name == "successive_halving":
        return pruners.SuccessiveHalvingPruner(min_resource=FIRST, reduction_factor=2)
    if name == "percentile":
        return pruners.PercentilePruner(25.0, n_startup_trials=OTHERS, n_warmup_steps=FIRST)
    return pruners.MedianPruner(n_startup_trials=OTHERS, n_warmup_steps=FIRST)

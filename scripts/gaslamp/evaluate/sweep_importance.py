"""What mattered in a sweep, and what is a good trade: Optuna's importances, and its front of several aims."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gaslamp.core.sweep_contracts import PointFacts

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

LEAST = 8
"""Points below which an importance is a guess."""


def get_importances(points: Sequence[PointFacts], keys: Sequence[str], seed: int = 0) -> dict[str, float]:
    """Share of the differences in score that each key explains (functional ANOVA), the largest first.

    Args:
        points: of a sweep; those that ended early or have no score are left out.
        keys: in which they differ.
        seed: of the forest that fits the scores.

    Returns:
        Nothing for fewer than eight points, for scores that are all equal, or where optuna is not installed.
    """
    scored = [point for point in points if point.score is not None and point.pruned is None]
    columns = {key: column for key in keys if len(set(column := _number([one.changes.get(key) for one in scored]))) > 1}
    if len(scored) < LEAST or len({point.score for point in scored}) < 2 or not columns:
        return {}
    try:
        import optuna

        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    except ImportError:  # of optuna, or of scikit-learn, which fits the forest
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(direction="maximize")
        spaces: dict[str, BaseDistribution] = {
            key: optuna.distributions.FloatDistribution(min(column), max(column)) for key, column in columns.items()
        }
        for place, point in enumerate(scored):
            values = {key: column[place] for key, column in columns.items()}
            study.add_trial(optuna.trial.create_trial(params=values, distributions=spaces, value=point.score))
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: round(float(value), 4) for key, value in sorted(found.items(), key=lambda pair: -pair[1])}


def find_front(candidates: Sequence[tuple[float, ...]], higher: Sequence[bool]) -> list[int]:
    """Which candidates no other one beats or equals in everything and beats in something: their places.

    Args:
        candidates: values of each, one for each aim.
        higher: for each aim whether more is better.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["maximize" if up else "minimize" for up in higher])
    for values in candidates:
        study.add_trial(optuna.trial.create_trial(values=list(values)))
    return sorted(trial.number for trial in study.best_trials)


def _number(values: Sequence[object]) -> list[float]:
    """Each value as a number on its axis: its rank among the different ones, so that 1e-5 and 1e-3 are as far apart as
    others.
    """
    is_plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    shown: list[object] = [value if is_plain else json.dumps(value, sort_keys=True, default=str) for value in values]
    order = {value: float(place) for place, value in enumerate(sorted(set(shown)))}  # type: ignore[type-var]
    return [order[value] for value in shown]

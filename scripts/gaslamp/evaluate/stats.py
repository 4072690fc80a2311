"""Intervals and paired tests. Standard formulas; scipy is not worth an import for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

from gaslamp.core.contracts import Score
from gaslamp.core.errors import GaslampError

RESAMPLES = 2000
Finish = Callable[[float], float] | None


def get_score(
    values: list[float], confidence: float, weights: list[float] | None = None, finish: Finish = None
) -> Score:
    """Mean with its interval: Wilson's for zeros and ones, a percentile bootstrap over rows otherwise.

    Args:
        values: one for each row.
        confidence: level of the interval.
        weights: how much each row counts; ``None``: all the same.
        finish: from a mean to the figure that is shown (exp, for perplexity); must rise with the mean.

    Raises:
        GaslampError: no values, or one that is no number: a score of nothing must never look like a result.
    """
    _require(values, weights)
    mean = _get_mean(values, weights)
    if not weights and not finish and set(values) <= {0.0, 1.0}:
        low, high = get_wilson(mean, len(values), confidence)
    else:
        low, high = _get_edges(_resample([values], weights)[0], confidence)
    finished = finish or float
    return Score(
        value=round(finished(mean), 6), low=round(finished(low), 6), high=round(finished(high), 6), n=len(values)
    )


def get_difference(
    base: list[float], tuned: list[float], confidence: float, weights: list[float] | None = None, finish: Finish = None
) -> Score:
    """Tuned minus base on the same rows, with a bootstrap interval that samples both scores of a row together."""
    _require(base, weights)
    _require(tuned, weights)
    finished = finish or float
    means = [finished(_get_mean(values, weights)) for values in (base, tuned)]
    before, after = _resample([base, tuned], weights)
    low, high = _get_edges(
        [finished(float(b)) - finished(float(a)) for a, b in zip(before, after, strict=True)], confidence
    )
    return Score(value=round(means[1] - means[0], 6), low=round(low, 6), high=round(high, 6), n=len(base))


def _require(values: list[float], weights: list[float] | None) -> None:
    if not values:
        raise GaslampError("there are no rows to score", "give data.split.test a larger share, or add rows")
    if not all(math.isfinite(value) for value in values):
        raise GaslampError(
            "a score is not a number", "look at the predictions file of this step", "the metric divides by zero"
        )
    if weights is not None and not (
        all(math.isfinite(weight) and weight >= 0 for weight in weights) and sum(weights) > 0
    ):
        raise GaslampError(
            "rows with no weight cannot be scored",
            "look at the predictions file of this step",
            "weigh() of the metric is wrong",
        )


def _get_mean(values: list[float], weights: list[float] | None) -> float:
    if weights is None:
        return sum(values) / len(values)
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def get_wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Wilson score interval (Wilson, 1927): right even at 0 % and 100 %."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _resample(columns: list[list[float]], weights: list[float] | None) -> list[Any]:
    """Means of RESAMPLES sets of rows sampled with replacement, the same rows for each column."""
    import numpy

    generator = numpy.random.default_rng(0)
    sampled = generator.integers(0, len(columns[0]), (RESAMPLES, len(columns[0])))
    if weights is None:
        return [numpy.asarray(values)[sampled].mean(axis=1) for values in columns]
    mass = numpy.asarray(weights)
    total = numpy.maximum(mass[sampled].sum(axis=1), 1e-300)
    return [(numpy.asarray(values) * mass)[sampled].sum(axis=1) / total for values in columns]


def _get_edges(means: Any, confidence: float) -> tuple[float, float]:
    import numpy

    edge = (1 - confidence) / 2
    return float(numpy.quantile(means, edge)), float(numpy.quantile(means, 1 - edge))


def get_p_value(base: list[float], tuned: list[float], weights: list[float] | None = None) -> float:
    """Two-sided p of "no difference" on the same rows: McNemar's exact test for zeros and ones, else sign flips.

    Args:
        base, tuned: scores of the same rows in the same order.
        weights: how much each row counts.
    """
    mass = weights or [1.0] * len(base)
    differences = [
        (after - before) * weight for before, after, weight in zip(base, tuned, mass, strict=True) if after != before
    ]
    if not differences:
        return 1.0
    if weights is None and set(base) | set(tuned) <= {0.0, 1.0}:
        n, fewer = len(differences), min(sum(d > 0 for d in differences), sum(d < 0 for d in differences))
        tail: float = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
        return min(1.0, 2 * tail)
    import numpy

    generator = numpy.random.default_rng(0)
    data = numpy.asarray(differences)
    flipped = numpy.abs((data * generator.choice([-1.0, 1.0], (RESAMPLES, len(data)))).sum(axis=1))
    as_far = int((flipped >= abs(data.sum()) - 1e-12).sum())
    return (1 + as_far) / (1 + RESAMPLES)

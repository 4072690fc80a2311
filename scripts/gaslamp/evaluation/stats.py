"""Intervals and paired tests. Standard formulas; scipy is not worth an import for them."""

from __future__ import annotations

import math
from statistics import NormalDist

from gaslamp.contracts import Score
from gaslamp.errors import GaslampError

RESAMPLES = 2000


def get_score(values: list[float], confidence: float) -> Score:
    """Mean with its interval: Wilson's for zeros and ones, a percentile bootstrap otherwise.

    Raises:
        GaslampError: no values, or one that is no number: a score of nothing must never look like a result.
    """
    if not values:
        raise GaslampError("there are no rows to score", "give data.split.test a larger share, or add rows")
    if not all(math.isfinite(value) for value in values):
        raise GaslampError("a score is not a number", "look at the predictions file of this step", "the metric divides by zero")
    mean = sum(values) / len(values)
    if set(values) <= {0.0, 1.0}:
        low, high = _get_wilson(mean, len(values), confidence)
    else:
        low, high = _get_bootstrap(values, confidence)
    return Score(value=round(mean, 6), low=round(low, 6), high=round(high, 6), n=len(values))


def _get_wilson(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Wilson score interval (Wilson, 1927): right even at 0 % and 100 %."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _get_bootstrap(values: list[float], confidence: float) -> tuple[float, float]:
    import numpy

    generator = numpy.random.default_rng(0)
    data = numpy.asarray(values)
    means = numpy.sort(data[generator.integers(0, len(data), (RESAMPLES, len(data)))].mean(axis=1))
    edge = (1 - confidence) / 2
    return float(numpy.quantile(means, edge)), float(numpy.quantile(means, 1 - edge))


def get_p_value(base: list[float], tuned: list[float]) -> float:
    """Two-sided p of "no difference" on the same rows: McNemar's exact test for zeros and ones, else sign flips.

    Args:
        base, tuned: scores of the same rows in the same order.
    """
    differences = [after - before for before, after in zip(base, tuned, strict=True) if after != before]
    if not differences:
        return 1.0
    if set(base) | set(tuned) <= {0.0, 1.0}:
        n, fewer = len(differences), min(sum(d > 0 for d in differences), sum(d < 0 for d in differences))
        tail: float = sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n
        return min(1.0, 2 * tail)
    import numpy

    generator = numpy.random.default_rng(0)
    data = numpy.asarray(differences)
    flipped = numpy.abs((data * generator.choice([-1.0, 1.0], (RESAMPLES, len(data)))).sum(axis=1))
    as_far = int((flipped >= abs(data.sum()) - 1e-12).sum())
    return (1 + as_far) / (1 + RESAMPLES)

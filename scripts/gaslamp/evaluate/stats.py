"""Intervals and paired tests. Standard formulas; scipy is not worth an import for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

from gaslamp.core.contracts import Score
from gaslamp.core.errors import GaslampError

RESAMPLES = 2000
EXACT_FLIPS = 12  # rows that differ; 4096 flips
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
    mean = get_mean(values, weights)
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
    means = [finished(get_mean(values, weights)) for values in (base, tuned)]
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


def get_mean(values: list[float], weights: list[float] | None) -> float:
    """The mean of ``values``, each counted by its weight; ``None``: all the same."""
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
    """Two-sided p of "no difference" on the same rows.

    McNemar's exact test for zeros and ones (and for wins, draws and losses: rows that differ all differ by the same);
    else sign flips, all of them where at most ``EXACT_FLIPS`` rows differ, a sample of them above.

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
    import numpy

    data = numpy.asarray(differences)
    if len(set(map(abs, differences))) == 1:  # wins and losses of one size: the sign test is exact
        return _get_sign_test(sum(d > 0 for d in differences), sum(d < 0 for d in differences))
    if len(data) <= EXACT_FLIPS:  # few rows differ: every flip is counted
        signs = 1 - 2 * ((numpy.arange(2 ** len(data))[:, None] >> numpy.arange(len(data))) & 1)
        return float((numpy.abs(signs @ data) >= abs(data.sum()) - 1e-12).mean())
    generator = numpy.random.default_rng(0)
    flipped = numpy.abs((data * generator.choice([-1.0, 1.0], (RESAMPLES, len(data)))).sum(axis=1))
    as_far = int((flipped >= abs(data.sum()) - 1e-12).sum())
    return (1 + as_far) / (1 + RESAMPLES)


def _get_sign_test(more: int, fewer: int) -> float:
    """Two-sided exact p of so many gains and losses when each is as likely as the other."""
    n, least = more + fewer, min(more, fewer)
    tail: float = sum(math.comb(n, k) for k in range(least + 1)) / 2**n
    return min(1.0, 2 * tail)


def get_test_name(base: list[float], tuned: list[float], weights: list[float] | None = None) -> str:
    """Which paired test ``get_p_value`` takes for these scores."""
    if weights is None and set(base) | set(tuned) <= {0.0, 1.0}:
        return "McNemar's exact test"
    mass = weights or [1.0] * len(base)
    differences = [(b - a) * w for a, b, w in zip(base, tuned, mass, strict=True) if a != b]
    if differences and len({abs(d) for d in differences}) == 1:
        return "exact sign test"
    few = len(differences) <= EXACT_FLIPS
    return f"{'all ' if few and differences else ''}sign flips of the paired differences"


def adjust_holm(p_values: list[float]) -> list[float]:
    """Each p when all of them are looked at (Holm, 1979): the chance of one false alarm among them stays as set."""
    order = sorted(range(len(p_values)), key=lambda n: p_values[n])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, n in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[n]))
        adjusted[n] = highest
    return adjusted


def get_rows_needed(base: list[float], tuned: list[float], confidence: float, power: float = 0.8) -> int:
    """Rows of this kind that would show the mean difference by more than chance, in ``power`` of all tries.

    The normal approximation of the paired test: n = ((z_a + z_b) * s / d)^2, with d and s of the differences.

    Args:
        base, tuned: scores of the same rows.
        confidence: of the test.
        power: share of tries in which it is to be seen.
    """
    differences = [b - a for a, b in zip(base, tuned, strict=True)]
    mean = sum(differences) / len(differences)
    if not mean:
        return 2**31
    variance = sum((d - mean) ** 2 for d in differences) / max(1, len(differences) - 1)
    normal = NormalDist()
    return math.ceil((normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(power)) ** 2 * variance / mean**2)

"""Trainings that differ in their seed alone: their mean and spread, and whether the gain is more than the spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from gaslamp.core.contracts import Compare, MetricResult, Score, Spread
from gaslamp.data.rows import Row
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.predictions import Answers, read_predictions
from gaslamp.evaluate.stats import get_mean
from gaslamp.pages.numbers import format_interval, format_number, format_value


def score_seeds(
    files: dict[str, Path],
    run: str,
    metrics: Sequence[Metric],
    results: Sequence[MetricResult],
    rows: list[Row],
    base: Answers,
    confidence: float,
) -> Spread | None:
    """The spread between seeds; ``None`` where there is one seed.

    Args:
        files: further run -> its predictions on the test rows.
        run: the run that is compared.
        metrics, results: the deciding one first, with the score of ``run``.
        rows: test rows.
        base: answers of the base model.
        confidence: level of the interval.
    """
    if not files:
        return None
    found = [read_predictions(file, rows) for file in files.values()]
    values = {
        result.name: [result.tuned.value, *(_score(metric, rows, base, answers) for answers in found)]
        for metric, result in zip(metrics, results, strict=True)
    }
    return summarize([run, *files], values, results[0], confidence)


def _score(metric: Metric, rows: list[Row], base: Answers, tuned: Answers) -> float:
    """The score of one seed's answers, rounded as every score is."""
    predictions = [tuned[row["id"]] for row in rows]
    _, scores = metric.score_both(rows, [base[row["id"]] for row in rows], predictions)
    kept = [(score, given) for score, given in zip(scores, predictions, strict=True) if score is not None]
    weights = [metric.weigh(given) for _, given in kept] if metric.weigh else None
    return round((metric.finish or float)(get_mean([score for score, _ in kept], weights)), 6)


def summarize(runs: list[str], values: dict[str, list[float]], main: MetricResult, confidence: float) -> Spread:
    """Mean, standard deviation and the t interval of the gain over base.

    Args:
        runs: of the seeds, two at least.
        values: metric -> score of each run.
        main: the deciding metric.
        confidence: level of the interval.
    """
    from scipy.special import stdtrit

    scores = values[main.name]
    mean, deviation = statistics.fmean(scores), statistics.stdev(scores)
    half = float(stdtrit(len(scores) - 1, 0.5 + confidence / 2)) * deviation / math.sqrt(len(scores))
    gain = mean - main.base.value
    interval = Score(value=round(gain, 6), low=round(gain - half, 6), high=round(gain + half, 6), n=len(scores))
    return Spread(runs=runs, values=values, mean=round(mean, 6), deviation=round(deviation, 6), gain=interval)


def is_beyond_spread(spread: Spread, verdict: str, main: MetricResult, min_gain: float) -> bool:
    """Whether the mean over seeds bears ``verdict`` (better, worse) out, by more than the spread."""
    sign = (1 if verdict == "better" else -1) * (-1 if main.higher is False else 1)
    return spread.excludes_zero(sign) and (verdict == "worse" or sign * spread.gain.value >= min_gain)


def describe_seeds(spread: Spread, main: MetricResult) -> str:
    """``over 3 seeds 74.2 % on average, standard deviation 3.1 points``."""
    between = f"{100 * spread.deviation:.1f} points" if main.unit == "share" else format_number(spread.deviation)
    return (
        f"over {len(spread.runs)} seeds {format_value(spread.mean, main.unit)} on average, standard deviation {between}"
    )


def describe_gain(spread: Spread, main: MetricResult) -> str:
    """``the gain over base is 14.2 points on average (8.1 to 20.3 by the spread of 3 seeds)``, as a phrase."""
    gain, unit = spread.gain, main.unit
    value = f"{100 * gain.value:.1f} points" if unit == "share" else format_number(gain.value)
    return f"the gain over base is {value} on average ({format_interval(gain, unit)} by the spread of {gain.n} seeds)"


def explain_seeds(compare: Compare) -> str:
    """Mean, standard deviation and gain in one phrase, for pages; empty with one seed."""
    if compare.seeds is None:
        return ""
    main = compare.metrics[0]
    return f"{describe_seeds(compare.seeds, main)}; {describe_gain(compare.seeds, main)}"


def get_seed_rows(compare: Compare) -> list[list[str]]:
    """Run and score of each seed, by the deciding metric, for tables; empty with one seed."""
    main, spread = compare.metrics[0], compare.seeds
    if spread is None:
        return []
    return [
        [run, format_value(value, main.unit)] for run, value in zip(spread.runs, spread.values[main.name], strict=True)
    ]

"""Figures as the demo page shows them: values, intervals, bars, one row for each measure."""

from __future__ import annotations

from dataclasses import dataclass

from gaslamp.core.contracts import Compare, MetricResult, Score
from gaslamp.pages.numbers import format_chance, format_change, format_interval, format_value


@dataclass(frozen=True)
class Row:
    """One row of the table of measures; ``part`` marks a slice of the measure above."""

    title: str
    part: bool
    n: int
    base: str
    base_interval: str
    tuned: str
    tuned_interval: str
    change: str
    chance: str


@dataclass(frozen=True)
class Bar:
    """One bar with its interval as a whisker; ``value``, ``low`` and ``high`` in thousandths of the full width."""

    who: str
    text: str
    interval: str
    value: int
    low: int
    high: int


@dataclass(frozen=True)
class Retention:
    """Scores of base and tuned on the general questions, and the questions that only the base model answers."""

    bars: list[Bar]
    n: int
    change: str
    is_worse: bool  # by more than chance: the intervals do not meet
    lost: list[str]


def show_share(value: float) -> str:
    """A share as ``95.5 %``, with a narrow no-break space."""
    return f"{100 * value:.1f}\u202f%"


def show_value(value: float, unit: str) -> str:
    """A value in its unit."""
    return show_share(value) if unit == "share" else format_value(value, unit)


def show_interval(score: Score, unit: str = "share") -> str:
    """The interval of a score, as ``92.5–98.5``."""
    return format_interval(score, unit).replace(" to ", "–")


def get_rows(compare: Compare) -> list[Row]:
    """Every metric, each followed by its slices; then the baselines in the place of base."""
    rows = [
        Row(
            title=name or metric.title,
            part=bool(name),
            n=pair["tuned"].n,
            base=show_value(pair["base"].value, metric.unit),
            base_interval=show_interval(pair["base"], metric.unit),
            tuned=show_value(pair["tuned"].value, metric.unit),
            tuned_interval=show_interval(pair["tuned"], metric.unit),
            change=format_change(pair["base"].value, pair["tuned"].value, metric.unit),
            chance="" if name else format_chance(metric.p_value),
        )
        for metric in compare.metrics
        for name, pair in [("", {"base": metric.base, "tuned": metric.tuned}), *metric.slices.items()]
    ]
    first = compare.metrics[0]
    return rows + [
        Row(
            title=baseline.title,
            part=True,
            n=baseline.score.n,
            base=show_value(baseline.score.value, first.unit),
            base_interval=show_interval(baseline.score, first.unit),
            tuned=show_value(first.tuned.value, first.unit),
            tuned_interval=show_interval(first.tuned, first.unit),
            change=format_change(baseline.score.value, first.tuned.value, first.unit),
            chance=format_chance(baseline.p_value),
        )
        for baseline in compare.baselines
        if baseline.score
    ]


def get_bars(metric: MetricResult) -> list[Bar]:
    """Base and tuned as bars. A whole bar is 100 % for a share, else the most that the intervals reach."""
    full = 1.0 if metric.unit == "share" else max(metric.base.high, metric.tuned.high, 1e-9)
    return [_get_bar("Base", metric.base, metric.unit, full), _get_bar("Tuned", metric.tuned, metric.unit, full)]


def get_retention(compare: Compare) -> Retention | None:
    """The general questions; ``None`` when they were not evaluated."""
    if not {"base", "tuned"} <= set(compare.retention):
        return None
    base, tuned = compare.retention["base"], compare.retention["tuned"]
    return Retention(
        bars=[_get_bar("Base", base, "share", 1.0), _get_bar("Tuned", tuned, "share", 1.0)],
        n=tuned.n,
        change=format_change(base.value, tuned.value),
        is_worse=tuned.high < base.low,
        lost=compare.retention_lost,
    )


def _get_bar(who: str, score: Score, unit: str, full: float) -> Bar:
    value, low, high = (round(1000 * min(1.0, max(0.0, part / full))) for part in (score.value, score.low, score.high))
    return Bar(who, show_value(score.value, unit), show_interval(score, unit), value, low, high)

"""The rivals that need no training, in the words that every page and log uses."""

from __future__ import annotations

from gaslamp.core.contracts import Compare
from gaslamp.core.evaluation_contracts import Baseline
from gaslamp.pages.numbers import format_chance, format_interval, format_value

WORDS = {
    "beaten": "tuned is better",
    "no clear difference": "no clear difference from tuned",
    "ahead": "better than tuned",
    "not run": "not run",
}


def get_baseline_rows(compare: Compare) -> list[list[str]]:
    """One row for each baseline: what it is, its score with interval, and how tuned stands against it."""
    return [
        [
            baseline.title[:1].upper() + baseline.title[1:],
            describe_score(baseline, compare.metrics[0].unit),
            describe_outcome(baseline),
        ]
        for baseline in compare.baselines
    ]


def describe_score(baseline: Baseline, unit: str) -> str:
    """``85.9 % (76.0 to 92.2)``; empty when it was not run."""
    if baseline.score is None:
        return ""
    return f"{format_value(baseline.score.value, unit)} ({format_interval(baseline.score, unit)})"


def describe_outcome(baseline: Baseline) -> str:
    """How tuned stands against it, with the paired test; why it was not run."""
    if baseline.score is None:
        return f"not run: {baseline.reason}"
    return f"{WORDS[baseline.outcome]} ({format_chance(baseline.p_value)})"

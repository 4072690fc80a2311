"""Words for the rivals that tuned did not beat."""

from __future__ import annotations

from collections.abc import Sequence

from gaslamp.core.contracts import MetricResult
from gaslamp.core.evaluation_contracts import Baseline
from gaslamp.pages.numbers import format_chance, format_value

NO_TRAINING = " (without any training)"
"""End of the warning about rivals that tuned did not beat; the headline says the same."""


def describe_unbeaten(rivals: Sequence[Baseline], main: MetricResult) -> str:
    """What tuned did not beat by more than chance: "but not than X (92 %); the gain over Y (41 %) is not proven".

    Args:
        rivals: with a score.
        main: the deciding metric.
    """
    sign = -1 if main.higher is False else 1
    lower = [one for one in rivals if one.difference and one.difference.value * sign > 0]
    others = [f"{one.title} ({show_score(one, main)})" for one in rivals if one not in lower]
    open_ones = [f"{one.title} ({show_score(one, main)}, {format_chance(one.p_value)})" for one in lower]
    parts = [f"but not than {' or '.join(others)}"] if others else []
    if open_ones:
        parts.append(f"{'' if others else 'but '}the gain over {' and '.join(open_ones)} is not proven")
    return "; ".join(parts)


def show_score(one: Baseline, main: MetricResult) -> str:
    """The score of a rival by the deciding metric, as pages show it."""
    return keep_whole(format_value(one.score.value, main.unit)) if one.score else ""


def keep_whole(figure: str) -> str:
    """With no-break spaces: a figure and its sign stay on one line, whatever the width of the page."""
    return figure.replace(" ", "\u00a0")

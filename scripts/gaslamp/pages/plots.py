"""Plots as inline SVG, made here: a page needs no script for them, and only figures and escaped labels come in."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from gaslamp.core.contracts import Score
from gaslamp.pages.numbers import format_number, format_value

if TYPE_CHECKING:
    from markupsafe import Markup

BINS = 10


def get_ticks(low: float, high: float) -> list[float]:
    """Three to six round values for the marks of an axis from ``low`` to ``high``: 1,
    2 or 5 times a power of ten apart.
    """
    rough = max(high - low, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * place for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def get_ends(scores: list[Score], unit: str) -> tuple[float, float]:
    """The two ends of an axis: 0 to 1 for shares, else as far as the intervals reach, 0 included."""
    if unit == "share":
        return 0.0, max(1.0, *(score.high for score in scores))
    low, high = min(0.0, *(score.low for score in scores)), max(0.0, *(score.high for score in scores))
    return (low, high) if high > low else (0.0, 1.0)


def plot_bars(
    scores: dict[str, Score], unit: str, ends: tuple[float, float] | None = None, thin: bool = False
) -> Markup:
    """Two bars with their intervals, base above tuned.

    Args:
        scores: base | tuned -> score.
        unit: of the values, as in ``format_value``.
        ends: of the axis; ``None``: as ``get_ends`` says.
        thin: low bars without an axis, for a table.
    """
    from markupsafe import Markup, escape

    low, high = ends or get_ends(list(scores.values()), unit)
    width, bar, gap = 400, 8 if thin else 14, 3 if thin else 8
    height = 2 * bar + gap + (2 if thin else 18)

    def x(value: float) -> float:
        return round((min(max(value, low), high) - low) / (high - low) * (width - 8) + 4, 1)

    label = ", ".join(f"{who} {format_value(score.value, unit)}" for who, score in scores.items())
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">']
    for number, who in enumerate(("base", "tuned")):
        score, top = scores[who], 1 + number * (bar + gap)
        left, right = sorted((x(0.0), x(score.value)))
        parts.append(f'<rect class="track" x="4" y="{top}" width="{width - 8}" height="{bar}" rx="2"/>')
        parts.append(
            f'<rect class="bar-{who}" x="{left}" y="{top}" width="{max(1.5, right - left):.1f}" height="{bar}" rx="2"/>'
        )
        if score.low < score.high:
            parts.append(
                f'<path class="whisker" d="M{x(score.low)} {top + bar / 2}H{x(score.high)}M{x(score.low)} '
                f'{top + 1}v{bar - 2}M{x(score.high)} {top + 1}v{bar - 2}"/>'
            )
    if not thin:
        for value, anchor in ((low, "start"), (high, "end")):
            parts.append(
                f'<text x="{x(value)}" y="{height - 2}" '
                f'text-anchor="{anchor}">{escape(format_value(value, unit))}</text>'
            )
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - figures and escaped text


def plot_histogram(scores: dict[str, list[float]]) -> Markup | None:
    """How many rows got which score; ``None`` when there are fewer than four different scores.

    Args:
        scores: base | tuned -> scores of the rows.
    """
    from markupsafe import Markup

    values = scores["base"] + scores["tuned"]
    if len(set(values)) < 4:
        return None
    low, high = min(values), max(values)
    counts = {
        who: Counter(min(BINS - 1, int((value - low) / (high - low) * BINS)) for value in own)
        for who, own in scores.items()
    }
    tallest = max(max(counter.values()) for counter in counts.values())
    width, height, step = 640, 190, 640 / BINS
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Histogram of the scores, before and after">']
    for place in range(BINS):
        for number, who in enumerate(("base", "tuned")):
            count = counts[who][place]
            tall = count / tallest * (height - 50)
            left = place * step + 6 + number * (step / 2 - 5)
            parts.append(
                f'<rect class="bar-{who}" x="{left:.1f}" y="{height - 24 - tall:.1f}" width="{step / 2 - 7:.1f}" '
                f'height="{tall:.1f}"/>'
            )
            if count:
                parts.append(
                    f'<text x="{left + step / 4 - 4:.1f}" y="{height - 28 - tall:.1f}" '
                    f'text-anchor="middle">{count}</text>'
                )
    for place in range(0, BINS + 1, 2):
        anchor = "start" if place == 0 else "end" if place == BINS else "middle"
        parts.append(
            f'<text x="{place * step:.1f}" y="{height - 6}" '
            f'text-anchor="{anchor}">{format_number(low + (high - low) * place / BINS)}</text>'
        )
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - figures and escaped text

"""How a figure is written, whatever its unit: shares as per cent, the rest as numbers. Used by every page and log."""

from __future__ import annotations

import re

from gaslamp.core.contracts import Score

MINUS = "\u2212"
WORDS = {"nats": "nats", "seconds": "s", "tokens": "tokens", "points": "points", "number": ""}


def format_value(value: float, unit: str = "share") -> str:
    """``0.935`` -> ``93.5 %``; other units as a number with three figures and the unit's name."""
    if unit == "share":
        return f"{100 * value:.1f} %".replace("-", MINUS)
    word = WORDS.get(unit, unit)
    return f"{format_number(value)}{' ' + word if word else ''}"


def join_units(text: str) -> str:
    """``text`` with a no-break space between a figure and its unit: ``93.5 %`` never ends a line at 93.5."""
    return re.sub(r"(?<=\d) (?=%|[kMG]?B\b|points?\b|s\b|min\b)", "\u00a0", text)


def format_number(value: float) -> str:
    """Three figures, no exponent between 0.001 and a million."""
    size = abs(value)
    if size >= 1_000_000 or 0 < size < 0.001:
        text = f"{value:.2g}"
    elif size >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}" if size >= 1 else f"{value:.3f}"
    return text.replace("-", MINUS)


def format_change(base: float, tuned: float, unit: str = "share") -> str:
    """Tuned minus base with its sign; shares in points."""
    change = tuned - base
    if unit == "share":
        points = round(100 * change, 1)
        return "0.0" if points == 0 else f"{points:+.1f}".replace("-", MINUS)
    text = format_number(change)
    return text if change <= 0 else f"+{text}"


def format_interval(score: Score, unit: str = "share") -> str:
    """``89.2 to 96.2``, in per cent for shares."""
    if unit == "share":
        return f"{100 * score.low:.1f} to {100 * score.high:.1f}".replace("-", MINUS)
    return f"{format_number(score.low)} to {format_number(score.high)}"


def format_score(score: Score, unit: str = "share") -> str:
    """``93.5 % (89.2 to 96.2, n = 200)``"""
    return f"{format_value(score.value, unit)} ({format_interval(score, unit)}, n = {score.n})"


def format_chance(p: float) -> str:
    """``p < 0.001`` or ``p = 0.042``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"

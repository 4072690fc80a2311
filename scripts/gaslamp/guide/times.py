"""An estimated time in words, the same on every page."""

from __future__ import annotations

from gaslamp.core.console import get_duration


def show_seconds(seconds: float | None) -> str:
    """``12 min``, ``2 h 5 min``; below a minute in seconds; what is not known ``?``."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return get_duration(round(seconds / 60) * 60).removesuffix(" 0 s").removesuffix(" 0 min")


def show_hours(hours: float | None) -> str:
    """The same of hours."""
    return show_seconds(None if hours is None else hours * 3600)

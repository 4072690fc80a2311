"""What a training made a model forget: a run that lost general knowledge is no winner, whatever it scored."""

from __future__ import annotations

from gaslamp.core.contracts import Compare
from gaslamp.pages.numbers import format_value

LOST = "general knowledge lost"


def get_forgotten(compare: Compare | None) -> str:
    """What the tuned model clearly lost of general knowledge, as ``55 % to 2.5 %``; empty when it lost nothing.

    Clearly: the intervals of base and tuned do not overlap.
    """
    base, tuned = (compare.retention.get(who) if compare else None for who in ("base", "tuned"))
    if base is None or tuned is None or tuned.high >= base.low:
        return ""
    return f"{format_value(base.value)} to {format_value(tuned.value)}"


def describe_retention(compare: Compare) -> str:
    """The scores of the general questions, in words."""
    base, tuned = compare.retention.get("base"), compare.retention.get("tuned")
    if base is None or tuned is None:
        return "forgetting was not evaluated"
    return f"general questions {format_value(base.value)} to {format_value(tuned.value)}"

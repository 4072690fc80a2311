"""Answers with a number that rates them: learnt from as ratings, the good ones alone, or all of them. The person decides."""

from __future__ import annotations

from typing import Any

from gaslamp.core import registry
from gaslamp.data.meaning.profile import Profile
from gaslamp.data.meaning.readings import Mapping, Reading


def read_ratings(
    found: Reading, profiles: list[Profile], rows: list[dict[str, Any]], kinds: tuple[str, ...]
) -> list[Reading]:
    """The three readings of rated answers, best first; empty when ``found`` is none.

    Args:
        found: the published shape that fits: ratings, or answers beside a column of numbers.
        profiles: of all columns.
        rows: the sample.
        kinds: what the method takes; empty: any.
    """
    detected = registry.get("formats", "kto").detect([profile.name for profile in profiles], rows)
    if found.kind not in ("conversation", "rating") or not detected or "threshold" not in detected:
        return []
    if (
        "prompt" not in detected
    ):  # turns with a number: FineTome's score is of the whole conversation, and no person gave it
        return [] if found.kind == "conversation" or "rating" in kinds else [_read_talk(detected)]
    label, threshold = str(detected["label"]), str(detected["threshold"])
    numbers = {row[label] for row in rows if row.get(label) is not None}
    if found.kind == "conversation" and len(numbers) < 2:
        return []
    asked: Mapping = {role: detected[role] for role in ("prompt", "completion", "system") if role in detected}
    good = f"rows with '{label}' of {threshold} or more are learnt, the others left out"
    rates = Reading(
        "rate", "kto", detected, "rating", f"'{label}' rates the answers, {threshold} and more is good", 0.95
    )
    keeps = Reading(
        "good", "prompt_completion", {**asked, "keep": label, "threshold": threshold}, "conversation", good, 0.75
    )
    every = Reading(
        "all", "prompt_completion", asked, "conversation", f"every answer is learnt, whatever its '{label}'", 0.7
    )
    if not kinds or "rating" in kinds:
        return [rates, keeps, every]
    if "conversation" in kinds:
        return [keeps, every, rates]
    return []


def _read_talk(detected: Mapping) -> Reading:
    mapping: Mapping = {role: value for role, value in detected.items() if role in ("messages", "system")}
    return Reading("messages", "messages", mapping, "conversation", "the columns of the format messages", 1.0)

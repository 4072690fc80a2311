"""Answers with a number that rates them: learnt from as ratings, the good ones alone, or all of them.

The person decides.
"""

from __future__ import annotations

from gaslamp.core import registry
from gaslamp.data.meaning.profile import Profile
from gaslamp.data.meaning.readings import Mapping, Reading
from gaslamp.data.rows import SourceRow
from gaslamp.data.verdicts import get_rating, is_unrated


def read_ratings(
    best: Reading, profiles: list[Profile], rows: list[SourceRow], kinds: tuple[str, ...]
) -> list[Reading]:
    """The three readings of rated answers, best first; empty when ``best`` reads none.

    Args:
        best: ratings with a threshold, or answers next to a column of numbers that rates them.
        profiles: of all columns.
        rows: the sample.
        kinds: what the method takes; empty: any.
    """
    if best.format == "kto":
        if "threshold" not in best.mapping:
            return []
        if (
            "prompt" not in best.mapping
        ):  # turns with a number: FineTome's score is of the whole conversation, by a program
            return [] if "rating" in kinds else [_read_turns(best.mapping)]
        detected = best.mapping
    else:
        made = _add_rating(best, profiles, rows)
        if not made:
            return []
        detected = made
    label, threshold = str(detected["label"]), str(detected["threshold"])
    answered: Mapping = {role: detected[role] for role in ("prompt", "completion", "system") if role in detected}
    if "input" in detected:
        answered["prompt"] = [str(detected["prompt"]), str(detected["input"])]
    kept: Mapping = {**answered, "keep": label, "threshold": threshold}
    good = f"rows with '{label}' of {threshold} or more are learnt, the others left out"
    every = f"every answer is learnt, whatever its '{label}'"
    rates = Reading(
        "rate", "kto", detected, "rating", f"'{label}' rates the answers, {threshold} and more is good", 0.95
    )
    readings = [
        Reading("good", "prompt_completion", kept, "conversation", good, 0.75),
        Reading("all", "prompt_completion", answered, "conversation", every, 0.7),
    ]
    if not kinds or "rating" in kinds:
        return [rates, *readings]
    return [*readings, rates] if "conversation" in kinds else []


def _add_rating(best: Reading, profiles: list[Profile], rows: list[SourceRow]) -> Mapping | None:
    """The mapping of ratings for a reading of answers, when a column of different numbers rates them."""
    roles = {"prompt_completion": ("prompt", "completion"), "alpaca": ("instruction", "output")}.get(best.format)
    by_name = {profile.name: profile for profile in profiles}
    if not roles or by_name[str(best.mapping[roles[1]])].concept != "answer":
        return None
    rated = [
        profile
        for profile in profiles
        if profile.concept == "rating" and profile.distinct > 1 and profile.is_common and _holds_ratings(profile, rows)
    ]
    if not rated or rated[0].name in best.columns:
        return None
    label = rated[0].name
    threshold = registry.get("formats", "kto").guess_threshold([row.get(label) for row in rows])
    mapping: Mapping = {"prompt": best.mapping[roles[0]], "completion": best.mapping[roles[1]]}
    mapping |= {"label": label, "threshold": threshold}
    return mapping | {role: best.mapping[role] for role in ("system", "input") if role in best.mapping}


def _holds_ratings(profile: Profile, rows: list[SourceRow]) -> bool:
    """Whether most cells are numbers, stars or fractions."""
    cells = [row[profile.name] for row in rows if not is_unrated(row.get(profile.name))]
    return 2 * sum(get_rating(cell) is not None for cell in cells) > len(cells)


def _read_turns(detected: Mapping) -> Reading:
    mapping: Mapping = {role: value for role, value in detected.items() if role in ("messages", "system")}
    return Reading("messages", "messages", mapping, "conversation", "the columns of the format messages", 1.0)

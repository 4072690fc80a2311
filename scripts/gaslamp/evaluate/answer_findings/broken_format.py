"""Whole answers are not of the form that all reference answers have: JSON, a call, a class, a number."""

from __future__ import annotations

import json

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.evaluate.tool_calls import get_reference_calls
from gaslamp.train.diagnose import Seen

TITLE = "answers break the format"
CAUSE = "too few steps for the form to be learnt, or training rows in several forms"
SEVERITY = "likely"
LIMIT = "format_share"
FORMS = {"json": "no JSON", "calls": "no readable call", "classes": "none of the classes", "numbers": "no number"}


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``format_share`` of the whole answers; those that were cut or empty have findings of their own."""
    if answers.kind not in FORMS or not answers.is_answered:
        return None
    places = [n for n in answers.whole if _is_broken(answers, n)]
    share = answers.get_share(places)
    if not places or share <= limits.format_share:
        return None
    example = quote(answers.texts[places[0]])
    text = f"{len(places)} of {len(answers.rows)} answers ({show(share)}) are {FORMS[answers.kind]}, such as {example}"
    remedies = [
        Remedy(action="add rows: the form is learnt first, then the content"),
        Remedy(action="write all training answers in one form"),
    ]
    return Seen(text, {"share": share}, remedies, rows=answers.get_ids(places))


def _is_broken(answers: Evaluated, place: int) -> bool:
    text, row = answers.texts[place], answers.rows[place]
    if answers.kind == "calls":
        return bool(get_reference_calls(row)) and not answers.tuned[place].get("tool_calls")
    if answers.references[place] is None:
        return False
    if answers.kind == "classes":
        return normalize(text) not in answers.labels
    if answers.kind == "numbers":
        return not any(letter.isdigit() for letter in text)
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return True
    return False

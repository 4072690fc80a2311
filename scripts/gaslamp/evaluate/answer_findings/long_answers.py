"""Answers are much longer than their references."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.answer_lengths import get_lengths
from gaslamp.evaluate.evaluated import Evaluated, quote
from gaslamp.train.diagnose import Seen

TITLE = "answers are much longer than their references"
CAUSE = "the token that ends an answer is hardly learnt, or the base model's own way to answer is left"
SEVERITY = "likely"
LIMIT = "long_times"
RULES_OUT = {"eval.max_new_tokens": "raise"}


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """Free text whose median length over the reference is at least ``long_times``."""
    middle, times = get_lengths(answers)
    if not times or middle < limits.long_times:
        return None
    places = sorted((n for n in times if times[n] >= limits.long_times), key=lambda n: -times[n])
    end = quote(answers.texts[places[0]][-40:])
    seen = f"half of them have at least {middle:.1f} times the characters; the longest ends {end}"
    remedies = [
        Remedy(action="check in data/report.html that the token that ends an answer is learnt in each row"),
        Remedy(action="compare the lengths of training and test answers (data/report.html): write them equally long"),
        Remedy(action="say in the system turn of all rows, and when you serve it, how long an answer is"),
    ]
    return Seen(seen, {"times": middle, "rows": float(len(places))}, remedies, rows=answers.get_ids(places))

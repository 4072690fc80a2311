"""Answers are much shorter than their references."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.answer_lengths import get_lengths
from gaslamp.evaluate.evaluated import Evaluated, quote
from gaslamp.train.diagnose import Seen

TITLE = "answers are much shorter than their references"
CAUSE = "training answers are shorter than those of the test rows, were cut, or the model left the rest out"
SEVERITY = "likely"
LIMIT = "short_times"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """Free text whose median length over the reference is at most ``short_times``."""
    middle, times = get_lengths(answers)
    if not times or middle > limits.short_times:
        return None
    places = sorted((n for n in times if times[n] <= limits.short_times), key=lambda n: times[n])
    seen = f"half of them have at most {middle:.2f} times the characters, such as {quote(answers.texts[places[0]])}"
    remedies = [
        Remedy(action="compare the lengths of training and test answers (data/report.html): write them equally long"),
        Remedy(action="look for training answers that are cut (data.max_truncated, train.max_length)"),
        Remedy(action="add rows: what is left out was not learnt"),
        Remedy(action="train longer", moves={"train.epochs": "raise"}),
    ]
    return Seen(seen, {"times": middle, "rows": float(len(places))}, remedies, rows=answers.get_ids(places))

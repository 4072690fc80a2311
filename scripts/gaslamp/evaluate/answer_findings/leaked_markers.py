"""Borders of turns stand in the answers: special tokens, or lines such as ``User:``."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.train.diagnose import Seen

TITLE = "borders of turns stand in the answers"
CAUSE = "the token that ends an answer is not learnt or not the one that stops, or training answers hold such marks"
SEVERITY = "certain"
LIMIT = "marker_share"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``marker_share`` of the answers have a mark that no reference and not their question has.

    A line with one speaker's name may be content: certain are special tokens, and turns of two speakers.
    """
    leaked = answers.leaked
    share = answers.get_share(list(leaked))
    if not leaked or share <= limits.marker_share:
        return None
    place, marks = next(iter(leaked.items()))
    text = answers.texts[place]
    shown = text[max(0, text.find(marks[0]) - 12) :]
    names = list(dict.fromkeys(mark for found in leaked.values() for mark in found))
    seen = f"{len(leaked)} of {len(answers.rows)} answers ({show(share)}) have {', '.join(names[:4])}, "
    seen += f"as in {quote(shown)}"
    sure = any("<" in mark or "[" in mark or len(set(found)) > 1 for found in leaked.values() for mark in found)
    remedies = [
        Remedy(action="check in data/report.html that the token that ends an answer is learnt in each row"),
        Remedy(
            action="remove such marks from training answers: data.checks: {special_tokens: {options: {redact: true}}} "
            "removes special tokens"
        ),
    ]
    return Seen(
        seen, {"share": share}, remedies, severity=None if sure else "likely", rows=answers.get_ids(list(leaked))
    )

"""Answers are in another language than the reference answers."""

from __future__ import annotations

from collections import Counter

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.evaluate.languages import find_language
from gaslamp.train.diagnose import Seen

TITLE = "answers are in another language"
CAUSE = "the base model answers in its own language, and the rows are too few, or not all in one language"
SEVERITY = "likely"
LIMIT = "language_share"
FEWEST = 5  # references with a language that is certain
SAMPLE = 300  # rows that are looked at
KINDS = ("free", "summaries", "short")


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``language_share`` of the answers whose language, like that of their reference, is certain."""
    if answers.kind not in KINDS:
        return None
    step = max(1, len(answers.rows) // SAMPLE)
    pairs = {}
    for n in answers.whole[::step]:
        wanted = find_language(answers.references[n] or "")
        given = find_language(answers.texts[n]) if wanted else None
        if wanted and given:
            pairs[n] = (wanted, given)
    places = [n for n, (wanted, given) in pairs.items() if wanted != given]
    if len(pairs) < FEWEST or len(places) / len(pairs) <= limits.language_share:
        return None
    (wanted, given), _ = Counter(pairs[n] for n in places).most_common(1)[0]
    share = len(places) / len(pairs)
    text = f"{len(places)} of {len(pairs)} answers ({show(share)}), mostly {given} instead of {wanted}, such as "
    text += quote(answers.texts[places[0]])
    remedies = [
        Remedy(action=f"say in the system turn of all rows that the answer is in the language {wanted}"),
        Remedy(action="add rows, or take a base model that knows the language better"),
    ]
    return Seen(text, {"share": share}, remedies, rows=answers.get_ids(places))

"""The model gives one answer to most rows, whatever they ask."""

from __future__ import annotations

from collections import Counter

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.evaluate.examples import get_shown_answer, get_shown_reference
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.train.diagnose import Seen

TITLE = "one answer for most rows"
CAUSE = "one answer is far more frequent in the training rows than all others, or the others were not learnt yet"
SEVERITY = "certain"
LIMIT = "one_answer"
FEWEST_ROWS = 10
FREQUENT = 0.6  # of the training answers: guessing it pays
MISSED = 0.5  # of the rows that want another answer


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """One answer for ``one_answer`` of the rows and for half of those that want another one."""
    if not answers.is_answered or len(answers.rows) < FEWEST_ROWS:
        return None
    given = [_tidy(get_shown_answer(prediction)) for prediction in answers.tuned]
    wanted = [_tidy(get_shown_reference(row)) for row in answers.rows]
    top, count = Counter(given).most_common(1)[0]
    if not top or count < limits.one_answer * len(given):
        return None
    begun = {n for n in answers.cut if wanted[n].startswith(given[n])}  # right as far as the limit of tokens lets it go
    others = [n for n, text in enumerate(wanted) if text and text != top and n not in begun]
    if not any(wanted):  # no references: rewards score the answers
        others = [n for n, row in enumerate(answers.rows) if row["prompt"] != answers.rows[0]["prompt"]]
    missed = [n for n in others if given[n] == top]
    if len(missed) < max(2, MISSED * len(others)):
        return None
    shown = get_shown_answer(answers.tuned[given.index(top)])
    text = (
        f"{quote(shown)} for {count} of {len(given)} rows ({show(count / len(given))}); {len(missed)} want another one"
    )
    known = answers.training.answers if answers.training else {}
    taught = sum(number for answer, number in known.items() if _tidy(answer) == top)
    frequent = taught / answers.training.count if answers.training and answers.training.count else None
    if frequent is not None:
        text += f"; it is {show(frequent)} of the training answers"
    even = Remedy(action="give every kind of answer about as many training rows", effect="guessing one pays less")
    rates = answers.lower_rate() if answers.is_rate_high or frequent is None else []
    remedies = [*rates, *answers.train_longer()] if frequent is not None and frequent < FREQUENT else [even, *rates]
    return Seen(
        text, {"share": count / len(given), "missed": float(len(missed))}, remedies, rows=answers.get_ids(missed)
    )


def _tidy(text: str) -> str:
    return normalize(text) or text.strip()

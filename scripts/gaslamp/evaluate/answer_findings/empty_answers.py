"""The model answers nothing."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy, Severity
from gaslamp.evaluate.evaluated import Evaluated, show
from gaslamp.train.diagnose import Seen

TITLE = "answers are empty"
CAUSE = "training rows with an empty answer, or only the end of the answer carries loss"
SEVERITY = "likely"
LIMIT = "empty_share"
MOST = 0.5  # of the rows: no healthy model is like this


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``empty_share`` of the rows that want an answer get none."""
    places = answers.silent
    share = answers.get_share(places)
    if not places or share <= limits.empty_share:
        return None
    before = answers.compare.n and sum(not given.get("text", "").strip() for given in answers.base) / len(answers.rows)
    text = f"{len(places)} of {len(answers.rows)} rows ({show(share)}) got no answer; of base {show(before)} were empty"
    blank = answers.training.answers.get("", 0) if answers.training else 0
    if blank:
        text += f"; {blank} of {answers.training.count if answers.training else 0} training rows have an empty answer"
    remedies = [
        *([Remedy(action="remove the training rows with an empty answer")] if blank else []),
        Remedy(action="look at the learnt tokens in data/report.html: each answer must be marked, not its end alone"),
        *([] if blank else [Remedy(action="look for training rows whose answer is blanks or a mark alone")]),
        *answers.lower_rate(),
    ]
    severity: Severity | None = "certain" if share >= MOST else None
    return Seen(text, {"share": share, "base": before}, remedies, severity=severity, rows=answers.get_ids(places))

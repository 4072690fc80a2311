"""Many test rows are nearly training rows: the score may be memorized."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, show
from gaslamp.evaluate.slices import NEAR
from gaslamp.train.diagnose import Seen

TITLE = "test rows are nearly duplicates of training rows"
CAUSE = "the data repeats itself with small changes, and was split by row"
SEVERITY = "likely"
LIMIT = "near_share"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """At least ``near_share`` of the test rows."""
    count = answers.compare.near_duplicates
    share = count / len(answers.rows)
    if not count or share < limits.near_share:
        return None
    action = "remove near-duplicates from the data (data.checks), or trust only the slice 'not near a training row'"
    text = f"{count} of {len(answers.rows)} test rows ({show(share)}): the score may be memorized"
    rows = answers.get_ids(answers.slices.get(NEAR, []))
    return Seen(text, {"share": share}, [Remedy(action=action)], rows=rows)

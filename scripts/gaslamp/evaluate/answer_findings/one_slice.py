"""The gain comes from one part of the test rows; the rest is as before."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.evaluate.slices import NEAR
from gaslamp.evaluate.stats import get_p_value
from gaslamp.train.diagnose import Seen

TITLE = "one part of the test rows carries the gain"
CAUSE = "the training rows are mostly of this kind"
SEVERITY = "hint"
LIMIT = "slice_share"
FEWEST = 10  # rows of the part, and outside of it
LARGEST = 0.6  # of the rows: a larger part carries most of any gain


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """A part of at most 60 % of the rows has ``slice_share`` of the gain, and the others none beyond luck."""
    gains = {
        n: answers.sign * (b - a)
        for n, (a, b) in enumerate(zip(answers.scores["base"], answers.scores["tuned"], strict=True))
        if a is not None and b is not None
    }
    total = sum(gains.values())
    if answers.main.higher is None or total <= 0 or answers.compare.verdict != "better":
        return None
    for name, members in answers.slices.items():
        inside, own = set(members), [n for n in members if n in gains]
        rest = [n for n in gains if n not in inside]
        if min(len(own), len(rest)) < FEWEST or len(own) > LARGEST * len(gains):
            continue
        carried = sum(gains[n] for n in own) / total
        if carried < limits.slice_share or get_p_value([0.0] * len(rest), [gains[n] for n in rest]) < 0.05:
            continue
        text = f"{quote(name)} has {len(own)} of {len(gains)} rows and {show(min(carried, 1.0))} of the gain"
        action = "remove near-duplicates (data.checks)" if name == NEAR else f"add training rows unlike {quote(name)}"
        return Seen(
            text, {"share": carried, "rows": float(len(own))}, [Remedy(action=action)], rows=answers.get_ids(rest)
        )
    return None

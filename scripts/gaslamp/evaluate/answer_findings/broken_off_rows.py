"""Answers of the training rows end in the middle: the model learns to stop there."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.data.broken_off import find_broken_off, quote_end
from gaslamp.data.rows import get_prompt, get_reference, get_text
from gaslamp.evaluate.evaluated import Evaluated, show
from gaslamp.train.diagnose import Seen

TITLE = "answers of the training rows break off"
CAUSE = "the file was exported with a limit on cells or replies, or a model that wrote the answers was stopped early"
SEVERITY = "likely"
MOST = 2000  # rows; more say nothing new


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """What the check ``broken_off`` finds in the data, next to what came of it."""
    if answers.training is None:
        return None
    rows = answers.training.spread(MOST)
    texts = [get_reference(row) or "" for row in rows]
    found = find_broken_off(texts, (get_text(turn) for row in rows for turn in get_prompt(row)))
    if not found:
        return None
    place, how = next(iter(found.items()))
    seen = f"{len(found)} of {len(rows)} training answers ({show(len(found) / len(rows))}) end in the middle, such as "
    seen += f"that of row {rows[place]['id']}, {how}: {quote_end(texts[place])}"
    remedies = [
        Remedy(action="export the data again without a limit on the length of a cell or on the tokens of a reply"),
        Remedy(action="delete the rows that data/report.html names (check broken_off): fewer whole answers teach more"),
    ]
    return Seen(seen, {"share": len(found) / len(rows)}, remedies)

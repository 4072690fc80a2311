"""Answers of the training rows belong to other rows: nothing about a prompt says which answer is right."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.data.mismatched import find_mismatch
from gaslamp.data.rows import get_prompt, get_reference, get_text
from gaslamp.evaluate.evaluated import Evaluated
from gaslamp.train.diagnose import Seen

TITLE = "training answers belong to other rows"
CAUSE = "a column was sorted, shuffled or moved by a row without the others, or rows were joined by the wrong key"
SEVERITY = "certain"
RULES_OUT = {"train.epochs": "raise", "train.max_steps": "raise"}
MOST = 2000  # rows; more say nothing new


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """What the check ``mismatched`` finds in the data, next to what came of it."""
    if answers.training is None:
        return None
    rows = [row for row in answers.training.spread(MOST) if get_reference(row)]
    prompts = ["\n".join(map(get_text, get_prompt(row))) for row in rows]
    found = find_mismatch(prompts, [get_reference(row) or "" for row in rows])
    if found is None:
        return None
    place, other = next(iter(found.partners.items()))
    seen = f"{len(found.partners)} of {found.looked_at} training answers fit the prompt of another row and not their "
    seen += f"own: that of row {rows[place]['id']} fits row {rows[other]['id']}"
    remedies = [
        Remedy(action="make the file again from its source: sort, shuffle and join whole rows, never a column alone"),
        Remedy(action="compare twenty training rows with their source: does each answer belong to its prompt?"),
    ]
    return Seen(seen, {"fit": len(found.partners) / found.looked_at}, remedies)

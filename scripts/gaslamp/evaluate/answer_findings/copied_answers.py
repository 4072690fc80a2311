"""Wrong answers are answers of training rows, word for word: they were memorized."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.train.diagnose import Seen

TITLE = "wrong answers are copies of training answers"
CAUSE = "too many epochs for so few rows: the model memorizes answers instead of how to find them"
SEVERITY = "likely"
LIMIT = "copied_share"
RULES_OUT = {"train.epochs": "raise", "train.max_steps": "raise"}
LEAST = 20  # characters: a shorter answer may be equal by chance
UNIQUE = 0.5  # of the training answers are given once


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``copied_share`` of the rows; not where training answers repeat, as classes do."""
    training = answers.training
    if training is None or not training.count or len(training.known) < UNIQUE * training.count:
        return None
    copies = {
        n: found
        for n in answers.whole
        if len(answers.texts[n]) >= LEAST
        and answers.is_wrong(n)
        and answers.texts[n] != (answers.references[n] or "").strip()
        and (found := training.find_answer(answers.texts[n]))
    }
    share = answers.get_share(list(copies))
    common = sum(bool(text and training.find_answer(text)) for text in answers.references) / len(answers.references)
    if not copies or share <= max(limits.copied_share, 2 * common):  # right answers stand there as well
        return None
    first, source = next(iter(copies.items()))
    text = f"{len(copies)} of {len(answers.rows)} answers ({show(share)}), such as {quote(answers.texts[first])} "
    text += f"of training row {source}"
    remedies = [*answers.train_less(), Remedy(action="add rows: they help most against memorizing")]
    return Seen(text, {"share": share}, remedies, rows=answers.get_ids(list(copies)))

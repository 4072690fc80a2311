"""Nothing ties labels of the training rows to their texts: the nearest other row has the same one by chance only."""

from __future__ import annotations

from collections import Counter
from math import sqrt

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy, Severity
from gaslamp.data.rows import get_reference
from gaslamp.evaluate.baselines import find_neighbours
from gaslamp.evaluate.evaluated import Evaluated, show
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.train.diagnose import Seen

TITLE = "labels of the training rows look random"
CAUSE = (
    "a column was shuffled or sorted alone, rows were joined by the wrong key, or the texts do not hold what decides"
)
SEVERITY = "likely"
RULES_OUT = {"train.epochs": "raise", "train.max_steps": "raise"}
FEWEST = 50  # training rows: fewer show no tie that there is
MOST = 1000  # that are compared
WEAK = 0.25  # of the way from chance to all
TIE = 1.64  # standard deviations above chance, one in twenty by luck


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """Tuned is no better than the most frequent class, and similar texts have one label hardly more than by chance."""
    training = answers.training
    if answers.kind != "classes" or training is None or not answers.is_answered:
        return None
    wanted = Counter(normalize(text) for text in answers.references if text is not None)
    right = sum(normalize(text) == answers.named[n] for n, text in enumerate(answers.references) if text is not None)
    if right > max(wanted.values()):
        return None
    rows = [row for row in training.sample if get_reference(row)][:: max(1, len(training.sample) // MOST)]
    if len(rows) < FEWEST:
        return None
    labels = [normalize(get_reference(row) or "") for row in rows]
    mutual = {tuple(sorted(pair)) for pair in find_neighbours(rows).items()}  # two that are nearest to each other
    pairs = [(labels[one], labels[other]) for one, other in mutual]
    chance = sum((count / len(labels)) ** 2 for count in Counter(labels).values())
    if len(pairs) < FEWEST or chance > 1 - 1 / FEWEST:
        return None
    same = sum(one == other for one, other in pairs) / len(pairs)
    luck = chance + TIE * sqrt(chance * (1 - chance) / len(pairs))
    if same > max(luck, chance + WEAK * (1 - chance)):
        return None
    text = f"of {len(pairs)} pairs of training rows with similar texts {show(same)} have the same label; by chance "
    text += f"{show(chance)} would"
    remedies = [
        Remedy(action="compare the labels of twenty training rows with their texts: does each belong to its text?"),
        Remedy(action="make the file again from its source, sorting and joining whole rows"),
        Remedy(action="put what decides the label into the prompt (data.columns), when it stands in another column"),
    ]
    severity: Severity | None = "hint" if same > luck else None
    return Seen(text, {"same": same, "chance": chance}, remedies, severity=severity)

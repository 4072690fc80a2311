"""Nothing ties labels of the training rows to their texts, as held-out estimates on the training rows alone show.

Two of them, each against chance: whether the nearest other row has the same label, and how many rows of each class a
model of words finds that has learnt the other rows (naive Bayes, five parts, mean recall of the classes).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import sqrt

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy, Severity
from gaslamp.data.rows import Row, get_reference
from gaslamp.evaluate.baselines import CHARACTERS, WORD, find_neighbours
from gaslamp.evaluate.evaluated import Evaluated, show
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.evaluate.near_duplicates import get_input_text
from gaslamp.train.diagnose import Seen

TITLE = "labels of the training rows look random"
CAUSE = (
    "a column was shuffled or sorted alone, rows were joined by the wrong key, or the texts do not hold what decides"
)
SEVERITY = "likely"
RULES_OUT = {"train.epochs": "raise", "train.max_steps": "raise"}
FEWEST = 50  # training rows: fewer show no tie that there is
MOST = 1000  # that are compared
PARTS = 5
SURE = 3.0  # standard errors above chance: the parts share their rows, so that luck reaches further
WEAK = 0.25  # of the way from chance to all
TIE = 1.64  # standard deviations above chance, one in twenty by luck


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """Tuned is no better than the most frequent class, and simple estimates are hardly better than chance."""
    training = answers.training
    if answers.kind != "classes" or training is None or not answers.is_answered:
        return None
    wanted = Counter(normalize(text) for text in answers.references if text is not None)
    count, most = wanted.total(), max(wanted.values())
    right = sum(normalize(text) == answers.named[n] for n, text in enumerate(answers.references) if text is not None)
    if right > most + TIE * sqrt(most * (1 - most / count)):
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
    words = estimate_recall(rows, labels)
    if same > max(luck, chance + WEAK * (1 - chance)) or (words and words.is_far):
        return None
    text = f"of {len(pairs)} pairs of training rows with similar texts {show(same)} have the same label; by chance "
    text += f"{show(chance)} would"
    if words:
        text += f"; a model of words that has learnt four fifths of the rows finds {show(words.recall)} of a class in "
        text += f"the others; by chance it would be {show(words.chance)}"
    remedies = [
        Remedy(action="compare the labels of twenty training rows with their texts: does each belong to its text?"),
        Remedy(action="make the file again from its source, sorting and joining whole rows"),
        Remedy(action="put what decides the label into the prompt (data.columns), when it stands in another column"),
    ]
    severity: Severity | None = "hint" if same > luck or (words and words.is_above) else None
    figures = {"same": same, "chance": chance} | ({"recall": words.recall} if words else {})
    return Seen(text, figures, remedies, severity=severity)


@dataclass(frozen=True)
class WordModel:
    """Attributes:
    recall: mean over the classes of the share of their held-out rows that are found.
    chance: what guesses give: one over the number of classes.
    error: standard error of ``recall`` under chance.
    """

    recall: float
    chance: float
    error: float

    @property
    def is_above(self) -> bool:
        """Whether it is more than luck."""
        return self.recall > self.chance + SURE * self.error

    @property
    def is_far(self) -> bool:
        """Whether words clearly separate the classes."""
        return self.recall > self.chance + max(SURE * self.error, WEAK * (1 - self.chance))


def estimate_recall(rows: list[Row], labels: list[str]) -> WordModel | None:
    """What words alone say about the labels of rows that were held out; ``None``: too few rows of two classes."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    frequent = {label for label, count in Counter(labels).items() if count >= PARTS}
    kept = [(get_input_text(row)[:CHARACTERS], label) for row, label in zip(rows, labels, strict=True)]
    kept = [(text, label) for text, label in kept if label in frequent]
    if len(frequent) < 2 or len(kept) < FEWEST:
        return None
    try:
        counts = CountVectorizer(token_pattern=WORD, binary=True).fit_transform([text for text, _ in kept])
    except ValueError:  # no words at all
        return None
    own = [label for _, label in kept]
    seen: Counter[str] = Counter()
    part_of = []
    for label in own:
        part_of.append(seen[label] % PARTS)  # each class is spread over all parts
        seen[label] += 1
    found: Counter[str] = Counter()
    for part in range(PARTS):
        inside, outside = ([n for n, one in enumerate(part_of) if (one == part) is held] for held in (True, False))
        model = MultinomialNB(fit_prior=False).fit(counts[outside], [own[n] for n in outside])
        found.update(own[n] for n, named in zip(inside, model.predict(counts[inside]), strict=True) if named == own[n])
    chance = 1 / len(frequent)
    error = sqrt(sum(chance * (1 - chance) / seen[label] for label in frequent)) / len(frequent)
    return WordModel(sum(found[label] / seen[label] for label in frequent) / len(frequent), chance, error)

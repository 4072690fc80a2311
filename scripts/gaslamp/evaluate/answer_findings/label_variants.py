"""Labels that differ only in case, blanks or punctuation: one class is written in several ways."""

from __future__ import annotations

from collections import Counter, defaultdict

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.train.diagnose import Seen

TITLE = "labels differ only in case or blanks"
CAUSE = "the labels were typed by hand, or come from several sources"
SEVERITY = "likely"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """Two labels of training or test rows are the same once case, blanks and punctuation at the ends are set aside."""
    if answers.kind != "classes":
        return None
    written: Counter[str] = Counter(text for text in answers.references if text is not None)
    if answers.training:
        written.update(answers.training.answers)
    groups: dict[str, list[str]] = defaultdict(list)
    for text in written:
        if normalize(text):
            groups[normalize(text)].append(text)
    double = {name: sorted(texts, key=lambda text: -written[text]) for name, texts in groups.items() if len(texts) > 1}
    if not double:
        return None
    parts = [", ".join(f"{text!r} {written[text]}" for text in texts) for texts in double.values()]
    rare = {text for texts in double.values() for text in texts[1:]}
    places = [n for n, text in enumerate(answers.references) if text in rare]
    names = ", ".join(repr(texts[0]) for texts in double.values())
    remedies = [Remedy(action=f"write each label one way in the data ({names})", effect="one class, not two")]
    return Seen("; ".join(parts[:5]), {"classes": float(len(double))}, remedies, rows=answers.get_ids(places))

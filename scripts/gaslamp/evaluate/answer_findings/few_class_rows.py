"""Classes with few training rows, or with none."""

from __future__ import annotations

from collections import Counter

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy, Severity
from gaslamp.evaluate.evaluated import Evaluated, quote
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.train.diagnose import Seen

TITLE = "too few training rows for some classes"
CAUSE = "the data has more classes than its rows can teach"
SEVERITY = "hint"
LIMIT = "class_rows"


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """A class has fewer than ``class_rows`` training rows, and the model is wrong about one of its test rows."""
    if answers.kind != "classes" or answers.training is None or not answers.training.count:
        return None
    known: Counter[str] = Counter()
    for text, count in answers.training.answers.items():
        known[normalize(text)] += count
    names = [normalize(text) if text is not None else "" for text in answers.references]
    wrong = [
        n
        for n, name in enumerate(names)
        if name and known[name] < limits.class_rows and answers.is_wrong(n) and n not in answers.reordered
    ]
    few = {names[n]: known[names[n]] for n in wrong}
    if not few:
        return None
    parts = [f"{quote(name)} {count}" for name, count in sorted(few.items(), key=lambda item: item[1])]
    text = f"training rows of classes with wrong answers: {', '.join(parts[:8])}{' …' if len(parts) > 8 else ''}"
    remedies = [Remedy(action=f"add rows until each class has {limits.class_rows:g}, or join rare classes")]
    severity: Severity | None = "likely" if not min(few.values()) else None
    figures = {"classes": float(len(few)), "fewest": float(min(few.values()))}
    return Seen(text, figures, remedies, severity=severity, rows=answers.get_ids(wrong))

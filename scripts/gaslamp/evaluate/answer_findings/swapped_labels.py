"""Labels stand for one another: one class is answered as the other, and the other way round."""

from __future__ import annotations

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy, Severity
from gaslamp.evaluate.evaluated import Evaluated, quote
from gaslamp.evaluate.label_sets import find_swaps
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.train.diagnose import Seen

TITLE = "labels look swapped"
CAUSE = "the model distinguishes the classes and gives them other names: labels of training or test rows are mixed up"
SEVERITY = "likely"
LIMIT = "swapped_share"
ALL = 0.95  # of their rows: no model that has not learnt them swapped does that


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """A ring of classes, each answered as the next one in ``swapped_share`` of its rows."""
    if answers.kind != "classes" or not answers.is_answered:
        return None
    wanted = [normalize(text) if text is not None else "" for text in answers.references]
    swaps = find_swaps(wanted, answers.named, limits.class_seen, limits.swapped_share)
    if not swaps:
        return None
    places = [n for n, name in enumerate(wanted) if name in swaps and answers.named[n] == swaps[name]]
    parts = []
    for name, other in swaps.items():
        hit = sum(wanted[n] == name for n in places)
        parts.append(f"{quote(name)} answered as {quote(other)} in {hit} of {wanted.count(name)} rows")
    remedies = [
        Remedy(
            action=f"compare the labels {', '.join(map(quote, swaps))} of a few training and test rows with their "
            "texts, and correct the file in which they are swapped (a numbering that changed, a "
            "column that was sorted alone)"
        ),
    ]
    figures = {"classes": float(len(swaps)), "rows": float(len(places))}
    all_rows = sum(name in swaps for name in wanted)
    severity: Severity | None = "certain" if len(places) >= ALL * all_rows else None
    return Seen("; ".join(parts[:5]), figures, remedies, severity=severity, rows=answers.get_ids(places))

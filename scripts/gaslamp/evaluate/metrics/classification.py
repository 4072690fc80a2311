"""The answer names the right class.

The report has precision, recall and F1 of each class, and who is taken for whom.
"""

from collections import Counter

from gaslamp.data.rows import Row, get_reference
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.evaluate.predictions import Prediction

TITLE = "right class"
BINARY = True
OTHER = "(something else)"
MAX_CLASSES = 50


def score(answer: str, reference: str) -> float:
    """1 when answer and reference name the same class (case and punctuation at the ends aside)."""
    return float(answer.strip() == reference.strip() or normalize(answer) == normalize(reference) != "")


def report(rows: list[Row], predictions: list[Prediction], values: list[float]) -> dict[str, object]:
    """``classes`` -> precision, recall, f1, n; ``confusion``: row = the class that was right,
    column = what was answered.
    """
    wanted = [normalize(get_reference(row) or "") for row in rows]
    names = [name for name, _ in Counter(wanted).most_common(MAX_CLASSES)]
    given = [text if (text := normalize(prediction["text"])) in names else OTHER for prediction in predictions]
    pairs = Counter(zip(wanted, given, strict=True))
    classes = {}
    for name in sorted(names):
        hits = pairs[name, name]
        called, there = (
            sum(count for (_, b), count in pairs.items() if b == name),
            sum(count for (a, _), count in pairs.items() if a == name),
        )
        precision, recall = hits / called if called else 0.0, hits / there if there else 0.0
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        classes[name] = {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4), "n": there}
    columns = [*sorted(names), *([OTHER] if OTHER in given else [])]
    confusion = {name: {column: pairs[name, column] for column in columns} for name in sorted(names)}
    return {
        "macro F1": round(sum(item["f1"] for item in classes.values()) / len(classes), 4),
        "classes": classes,
        "confusion": confusion,
    }

"""BLEU (sacrebleu): word n-grams that answer and reference share.

One row alone is smoothed; the report has the corpus figure.
"""

from functools import cache
from typing import Any

from gaslamp.core.packages import require_package
from gaslamp.data.rows import Row, get_reference
from gaslamp.evaluate.predictions import Prediction

TITLE = "BLEU"
BINARY = False


@cache
def get_scorer(sentence: bool) -> Any:
    """sacrebleu's BLEU; with effective order for single sentences, as it asks."""
    require_package("sacrebleu", "the metric bleu", "cpu")
    from sacrebleu.metrics import BLEU

    return BLEU(effective_order=sentence)


def score(answer: str, reference: str) -> float:
    """0 to 1."""
    if answer == reference:
        return 1.0
    return min(1.0, max(0.0, float(get_scorer(True).sentence_score(answer, [reference]).score) / 100))


def report(rows: list[Row], predictions: list[Prediction], values: list[float]) -> dict[str, object]:
    """BLEU of the whole set at once, with sacrebleu's signature."""
    scorer = get_scorer(False)
    whole = scorer.corpus_score([p["text"] for p in predictions], [[get_reference(row) or "" for row in rows]])
    return {"corpus": round(float(whole.score) / 100, 6), "signature": str(scorer.get_signature())}

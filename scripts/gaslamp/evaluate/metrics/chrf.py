"""chrF: character n-grams that answer and reference share (sacrebleu). Kind to inflection; used for translation."""

from functools import cache
from typing import Any

from gaslamp.core.packages import require_package
from gaslamp.data.rows import Row, get_reference
from gaslamp.evaluate.predictions import Prediction

TITLE = "chrF"
BINARY = False


@cache
def get_scorer() -> Any:
    """sacrebleu's chrF2 with its usual settings."""
    require_package("sacrebleu", "the metric chrf", "cpu")
    from sacrebleu.metrics import CHRF

    return CHRF()


def score(answer: str, reference: str) -> float:
    """0 (no n-gram shared) to 1 (the same text)."""
    if answer == reference:
        return 1.0
    return min(1.0, max(0.0, float(get_scorer().sentence_score(answer, [reference]).score) / 100))


def report(rows: list[Row], predictions: list[Prediction], values: list[float]) -> dict[str, object]:
    """chrF of the whole set at once, as papers report it, with sacrebleu's signature."""
    scorer = get_scorer()
    whole = scorer.corpus_score([p["text"] for p in predictions], [[get_reference(row) or "" for row in rows]])
    return {"corpus": round(float(whole.score) / 100, 6), "signature": str(scorer.get_signature())}

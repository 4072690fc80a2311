"""ROUGE-L (rouge-score): the longest common run of words in order, as F1.

For summaries; the report has ROUGE-1 and ROUGE-2.
"""

from functools import cache
from typing import Any

from gaslamp.core.packages import require_package
from gaslamp.data.rows import Row, get_reference
from gaslamp.evaluate.predictions import Prediction

TITLE = "ROUGE-L"
BINARY = False
KINDS = ("rouge1", "rouge2", "rougeL")


class _Words:
    """Words of any script: rouge-score's own tokenizer keeps a to z and digits only."""

    def tokenize(self, text: str) -> list[str]:
        import re

        return re.findall(r"\w+", text.lower())


@cache
def get_scorer() -> Any:
    """rouge-score's scorer, without stemming."""
    require_package("rouge_score", "the metric rouge", "cpu")
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(KINDS), tokenizer=_Words())


def score(answer: str, reference: str) -> float:
    """0 (no common word) to 1 (the same words in the same order)."""
    if answer == reference:
        return 1.0
    return float(get_scorer().score(reference, answer)["rougeL"].fmeasure)


def report(rows: list[Row], predictions: list[Prediction], values: list[float]) -> dict[str, object]:
    """Mean F1 of each kind."""
    found = [get_scorer().score(get_reference(row) or "", p["text"]) for row, p in zip(rows, predictions, strict=True)]
    return {kind: round(sum(item[kind].fmeasure for item in found) / len(found), 6) for kind in KINDS}

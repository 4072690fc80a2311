"""For each text, is its true partner the nearest of all partners in the test set? (recall at 1)"""

from typing import Any

TITLE = "finds the right text"
BINARY = True
NEEDS = ("retrieval",)
REFERENCE = False


def score(answer: str, reference: str, *, prediction: dict[str, Any]) -> float | None:
    """1 when nothing is nearer, else 0."""
    found = prediction.get("retrieval")
    return None if found is None else float(found["rank"] == 1)

"""For each text, is its true partner the nearest of all partners in the test set? (recall at 1)"""

from gaslamp.evaluate.predictions import Prediction

TITLE = "finds the right text"
BINARY = True
NEEDS = ("retrieval",)
REFERENCE = False
BASELINES = True


def score(answer: str, reference: str, *, prediction: Prediction) -> float | None:
    """1 when nothing is nearer, else 0."""
    found = prediction.get("retrieval")
    return None if found is None else float(found["rank"] == 1)

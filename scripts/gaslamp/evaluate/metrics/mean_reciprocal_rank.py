"""How far down the list the true partner of a text is: 1 at the first place, 1/2 at the second, and so on."""

from gaslamp.evaluate.predictions import Prediction

TITLE = "place of the right text (1 / rank)"
BINARY = False
NEEDS = ("retrieval",)
REFERENCE = False
BASELINES = True


def score(answer: str, reference: str, *, prediction: Prediction) -> float | None:
    """1 / rank."""
    found = prediction.get("retrieval")
    return None if found is None else 1.0 / found["rank"]

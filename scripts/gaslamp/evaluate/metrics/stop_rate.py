"""How many answers ended by themselves, with the token that ends a turn, instead of being cut at the limit."""

from gaslamp.evaluate.predictions import Prediction

TITLE = "ended by itself"
BINARY = True
REFERENCE = False


def score(answer: str, reference: str, *, prediction: Prediction) -> float:
    """1 when it ended, 0 when it was cut."""
    return float(bool(prediction.get("stopped", True)))

"""Seconds of work for one answer, as it was measured when many were made together.

It is reported and decides nothing.
"""

from gaslamp.evaluate.predictions import Prediction

TITLE = "time for an answer"
BINARY = False
HIGHER = False
UNIT = "seconds"
REFERENCE = False
DECIDES = False


def score(answer: str, reference: str, *, prediction: Prediction) -> float:
    """Seconds of one row."""
    return float(prediction.get("seconds", 0.0))

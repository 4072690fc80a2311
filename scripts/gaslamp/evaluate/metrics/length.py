"""How long the answers are, in tokens.

It judges nothing; it shows a model that talks on, or one that says too little.
"""

from gaslamp.evaluate.predictions import Prediction

TITLE = "length of the answers"
BINARY = False
HIGHER = None
UNIT = "tokens"
REFERENCE = False


def score(answer: str, reference: str, *, prediction: Prediction) -> float:
    """Tokens of the answer."""
    return float(prediction.get("tokens", 0))

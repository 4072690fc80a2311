"""How long the answers are, in tokens. It judges nothing; it shows a model that talks on, or one that says too little."""

from typing import Any

TITLE = "length of the answers"
BINARY = False
HIGHER = None
UNIT = "tokens"
REFERENCE = False


def score(answer: str, reference: str, *, prediction: dict[str, Any]) -> float:
    """Tokens of the answer."""
    return float(prediction.get("tokens", 0))

"""How many answers ended by themselves, with the token that ends a turn, instead of being cut at the limit."""

from typing import Any

TITLE = "ended by itself"
BINARY = True
REFERENCE = False


def score(answer: str, reference: str, *, prediction: dict[str, Any]) -> float:
    """1 when it ended, 0 when it was cut."""
    return float(bool(prediction.get("stopped", True)))

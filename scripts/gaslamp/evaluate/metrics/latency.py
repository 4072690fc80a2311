"""Seconds of work for one answer, as it was measured when many were made together. It tells, and decides nothing by itself."""

from typing import Any

TITLE = "time for an answer"
BINARY = False
HIGHER = False
UNIT = "seconds"
REFERENCE = False


def score(answer: str, reference: str, *, prediction: dict[str, Any]) -> float:
    """Seconds of one row."""
    return float(prediction.get("seconds", 0.0))

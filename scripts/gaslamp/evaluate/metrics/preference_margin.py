"""By how much the model rates the better answer above the worse one, in nats a token (a reward model: in its own
points).

For single ratings: the likelihood of a completion, counted for it when people found it good and against it when not.
"""

from gaslamp.data.rows import Row
from gaslamp.evaluate.metrics.preference_accuracy import get_margin
from gaslamp.evaluate.predictions import Prediction

TITLE = "margin of the better answer"
BINARY = False
NEEDS = ("preference",)
UNIT = "nats"
REFERENCE = False


def score(answer: str, reference: str, *, row: Row, prediction: Prediction) -> float | None:
    """The margin of a row; ``None`` for rows that hold no preference."""
    if (margin := get_margin(prediction)) is not None:
        return margin
    found = prediction.get("likelihood", {}).get("completion")
    if not found:
        return None
    return float(found["logp"] / found["tokens"]) * (1 if row["label"] else -1)

"""How surprised the model is by the reference answer: mean negative log-likelihood of its tokens (and of its end), in
nats.

Only the answer counts, not the prompt. For running text every token counts.
"""

from gaslamp.evaluate.predictions import Prediction

TITLE = "surprise at the right answer (loss)"
BINARY = False
NEEDS = ("reference",)
HIGHER = False
UNIT = "nats"
REFERENCE = False


def score(answer: str, reference: str, *, prediction: Prediction) -> float | None:
    """Nats a token; ``None`` when there is no reference."""
    found = prediction.get("likelihood", {})
    measured = found.get("reference") or found.get("text")
    return -measured["logp"] / measured["tokens"] if measured else None


def weigh(prediction: Prediction) -> float:
    """Longer answers count more: the figure is the mean over tokens, as in training."""
    found = prediction.get("likelihood", {})
    measured = found.get("reference") or found.get("text")
    return float(measured["tokens"]) if measured else 0.0

"""How often the model prefers the answer that people preferred.

A reward model by its scores, a language model by the likelihood of each answer, a token at a time so that length is no
help.
The report has, for the tuned model, how often it moved towards the chosen answer (what DPO calls reward accuracy).
"""

from gaslamp.evaluate.predictions import Prediction

TITLE = "prefers the better answer"
BINARY = True
NEEDS = ("preference",)
REFERENCE = False
BASELINES = True


def get_margin(prediction: Prediction) -> float | None:
    """Score of chosen minus score of rejected; ``None`` without the two."""
    if "scores" in prediction and {"chosen", "rejected"} <= set(prediction["scores"]):
        return float(prediction["scores"]["chosen"] - prediction["scores"]["rejected"])
    found = prediction.get("likelihood", {})
    if "chosen" not in found or "rejected" not in found:
        return None
    chosen, rejected = found["chosen"], found["rejected"]
    return float(chosen["logp"] / chosen["tokens"] - rejected["logp"] / rejected["tokens"])


def score(answer: str, reference: str, *, prediction: Prediction) -> float | None:
    """1 when chosen is rated above rejected, else 0 (a tie is no preference)."""
    margin = get_margin(prediction)
    return None if margin is None else float(margin > 0)

"""Perplexity of the reference answers (or of running text): among how many equally likely tokens the model has to
choose.

exp of the completion loss. 1 is perfect; the size of the vocabulary is pure guessing.
"""

import math

from gaslamp.evaluate.metrics.completion_loss import score, weigh  # noqa: F401 - the same rows in another unit

TITLE = "perplexity"
BINARY = False
NEEDS = ("reference",)
HIGHER = False
UNIT = "number"
REFERENCE = False


def finish(mean: float) -> float:
    """From nats a token to a number of tokens; beyond 10^12 it is cut, as it says nothing more."""
    return math.exp(min(mean, 27.63))

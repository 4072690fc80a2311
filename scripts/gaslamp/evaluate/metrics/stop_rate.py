"""How many answers ended by themselves, with the token that ends a turn, instead of being cut at the limit.

An empty answer counts as none.
"""

from gaslamp.data.rows import Row
from gaslamp.evaluate.predictions import Prediction, ended_with_an_answer

TITLE = "ended by itself"
BINARY = True
REFERENCE = False
DECIDES = False  # a model that answers nothing useful may end every answer


def score(answer: str, reference: str, *, row: Row, prediction: Prediction) -> float:
    """1 when it said something and ended, 0 when it was cut or empty."""
    return float(ended_with_an_answer(prediction, row))

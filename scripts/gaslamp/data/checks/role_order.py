"""Turns in an order that no chat template means: two users in a row, an answer before the question,
a system prompt in the middle.
"""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample, get_unusual
from gaslamp.data.order import find_order_problem

TITLE = "turns out of order"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "row"
DROPS = True
FIX = (
    "turns go system (if any), user, assistant, user, assistant ...; tool turns follow the call they answer; merge "
    "or delete the turn that is too much"
)


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """The first turn that is out of order, of each row that has one."""
    for sample in get_unusual(samples):
        if problem := find_order_problem(sample.row):
            yield Finding(sample.place, problem)

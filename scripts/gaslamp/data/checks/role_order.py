"""Turns in an order that no chat template means: two users in a row, an answer before the question,
a system prompt in the middle.
"""

from collections.abc import Iterable, Iterator

from gaslamp.core.files import JsonObject
from gaslamp.data.checking import Facts, Finding, Sample, get_unusual
from gaslamp.data.order import find_order_problem, repair_order
from gaslamp.data.rows import Row

TITLE = "turns out of order"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "row"
DROPS = True
OPTIONS = {"repair": False}
FIX = (
    "data.checks: {role_order: {options: {repair: true}}} joins two turns of one role with a blank line, puts a system "
    "turn in the middle into the user turn next to it, and leaves out an answer before the first question and "
    "questions behind the last answer; or correct the rows: system (if any), user, assistant, user, assistant ..., "
    "tool turns behind the call they answer"
)


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """The first turn that is out of order, of each row that has one."""
    for sample in get_unusual(samples):
        if problem := find_order_problem(sample.row):
            yield Finding(sample.place, problem)


def fix(row: Row, options: JsonObject) -> Row:
    """The row with its turns in order, as far as that needs no new words; the method refuses what is left."""
    return {key: repair_order(turns, key) if key in ("messages", "prompt") else turns for key, turns in row.items()}

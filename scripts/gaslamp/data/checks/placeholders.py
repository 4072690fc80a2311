"""What programs write for an empty cell, as the text of a turn: the model learns to answer ``nan``."""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import Row, get_text
from gaslamp.data.suspects import get_suspects
from gaslamp.data.texts import TEXTS, TURNS

TITLE = "empty cells written as text"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "row"
DROPS = True
FIX = "fill in the cell, or delete the row; nan is what pandas writes for an empty cell"
WORDS = (
    "nan",
    "NaN",
    "NAN",
    "<NA>",
    "NaT",
    "undefined",
    "[object Object]",
    "#N/A",
    "#REF!",
    "#VALUE!",
    "#NAME?",
    "#DIV/0!",
)
"""Not None, null and N/A, which are labels too."""
SIGNS = tuple(f'"{word}"'.encode() for word in WORDS)


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Turns and texts that are one of these words and nothing else."""
    for sample in get_suspects(samples, facts, SIGNS):
        if found := find_placeholder(sample.row):
            yield Finding(sample.place, found)


def find_placeholder(row: Row) -> str:
    """Where a row has such a word, as a phrase; empty when it has none."""
    for key in TEXTS:
        if row.get(key) in WORDS:
            return f"{key} is '{row[key]}'"
    for key in TURNS:
        for number, turn in enumerate(row.get(key) or (), 1):
            if isinstance(turn, dict) and (text := get_text(turn).strip()) in WORDS:
                return f"the {turn['role']} turn {number} is '{text}'"
    return ""

"""Letters of a text that was read in the wrong encoding: the model learns to write them."""

from collections.abc import Iterable, Iterator

from gaslamp.core.files import JsonObject
from gaslamp.data import mojibake
from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import Row
from gaslamp.data.suspects import get_suspects
from gaslamp.data.texts import change_texts, get_texts, show_around

TITLE = "text that was read in the wrong encoding"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
OPTIONS = {"repair": False}
FIX = "data.checks: {mojibake: {options: {repair: true}}} restores it; or export the file again as UTF-8"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows with UTF-8 that was taken for another encoding: the place, and what it was."""
    for sample in get_suspects(samples, facts, mojibake.SIGNS):
        for text in get_texts(sample.row):
            if found := mojibake.find(text):
                shown = show_around(text, *found[1:])
                yield Finding(sample.place, f"'{shown}' was '{mojibake.repair(shown)}': UTF-8 read as {found[0]}")
                break


def fix(row: Row, options: JsonObject) -> Row:
    """The row with its letters restored."""
    return change_texts(row, mojibake.repair)

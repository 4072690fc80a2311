"""Characters that nobody sees: bytes of terminals, zero bytes, letters that were lost when the text was decoded."""

import re
from collections.abc import Iterable, Iterator

from gaslamp.core.files import JsonObject
from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import Row
from gaslamp.data.suspects import get_suspects
from gaslamp.data.texts import change_texts, get_texts, show_around

TITLE = "control characters in the text"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
OPTIONS = {"repair": False}
FIX = "data.checks: {control_characters: {options: {repair: true}}} removes them"
LOST = "\ufffd"
LOST_FIX = "export the file again as UTF-8: the letters are lost in it"
PATTERN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufeff\ufffe\uffff]")
"""Colours of terminals; control characters but tabs, line and page ends; byte-order marks."""
SIGNS = (rb"\u00", rb"\b", b"\x7f", b"\xc2", b"\xef\xbb\xbf", b"\xef\xbf")


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows with such characters, by their code."""
    for sample in get_suspects(samples, facts, SIGNS):
        for text in get_texts(sample.row):
            found = PATTERN.search(text)
            if found:
                shown = show_around(text[: found.start()], found.start(), found.start())
                signs = list(dict.fromkeys("".join(PATTERN.findall(text))))
                codes = " ".join(f"U+{ord(char):04X}" for char in signs[:4])
                yield Finding(sample.place, f"{codes} behind '{shown}'")
                break
            if LOST in text:
                place = text.index(LOST)
                yield Finding(
                    sample.place, f"U+FFFD, a letter that was lost: '{show_around(text, place, place + 1)}'", LOST_FIX
                )
                break


def fix(row: Row, options: JsonObject) -> Row:
    """The row without them; what U+FFFD stands for cannot be restored."""
    return change_texts(row, lambda text: PATTERN.sub("", text))

"""Whether a text ends in one piece that comes again and again: what a model writes that does not stop."""

from __future__ import annotations

PERIOD = 200  # characters of the longest piece that is looked for
TIMES = 4  # how often it must come
LEAST = 8  # characters of all repetitions together
SHARE = 0.5  # of the text


def is_repeating(text: str) -> bool:
    """Whether the last half of the text or more is one piece, four times or more; the last one may be cut."""
    text = text.rstrip()
    for period in range(1, min(PERIOD, len(text) // TIMES) + 1):
        place = len(text) - 1
        while place >= period and text[place] == text[place - period]:
            place -= 1
        length = len(text) - 1 - place + period  # how long the end of the text goes on with this period
        if length >= max(LEAST, TIMES * period, SHARE * len(text)) and text[-period:].strip():
            return True
    return False

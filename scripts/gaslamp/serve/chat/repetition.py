"""An answer that repeats itself until the token limit: found while it is generated, and cut.

chat.js has the same rule for the page; a test compares them.
"""

from __future__ import annotations

LONGEST = 400
"""Most characters of the part that is repeated."""
LETTERS, TIMES, KEPT = 400, 5, 2
"""It is a repetition from so many characters and times on; so many times stay."""


def find_repetition(text: str) -> int | None:
    """Where to cut a text whose end repeats one part again and again; ``None``: it does not.

    Args:
        text: an answer so far.
    """
    for size in range(1, min(LONGEST, len(text) // TIMES) + 1):
        if text[-size:] != text[-2 * size : -size]:
            continue
        first = len(text) - size
        while first > 0 and text[first - 1] == text[first - 1 + size]:
            first -= 1
        if len(text) - first >= max(LETTERS, TIMES * size):
            return first + KEPT * size
    return None

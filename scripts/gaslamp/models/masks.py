"""Which parts of a rendered text carry loss."""

from __future__ import annotations

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject

Pieces = list[tuple[str, bool]]
"""The text of one training sequence in pieces, each with whether it carries loss."""

LEARNT, MASKED = b"\x01", b"\x00"
"""The byte of one token in a loss mask."""


def mark_text(text: str, turn: JsonObject, number: int = 1, key: str = "content") -> Pieces:
    """A rendered text in pieces, as ``train`` of its turn divides it; the end token carries loss when a piece does.

    Args:
        text: holds ``turn[key]``.
        turn: a message, or a row of text, with ``train``.
        number: of the turn, for the error.
        key: the text whose characters the ranges in ``train`` count.

    Raises:
        GaslampError: a part is marked, and the template changed the text.
    """
    train = turn["train"]
    if isinstance(train, bool):
        return [(text, train)]
    at = text.find(turn[key])
    if at < 0:
        raise get_changed_error(number)
    pieces, done, end = [], 0, at + len(turn[key])
    for begin, stop in train:
        begin = at + begin if begin else 0
        pieces += [(text[done:begin], False), (text[begin : at + stop], True)]
        done = at + stop
    pieces += [(text[done:end], False), (text[end:], bool(train))]
    return join_pieces(pieces)


def join_pieces(pieces: Pieces) -> Pieces:
    """Join neighbours that both carry loss, or both do not: a token is cut only where the mask changes."""
    result: Pieces = []
    for text, learnt in pieces:
        if result and text and result[-1][1] == learnt:
            result[-1] = (result[-1][0] + text, learnt)
        elif text:
            result.append((text, learnt))
    return result


def get_changed_error(number: int) -> GaslampError:
    """The error for a marked turn whose text the chat template changes."""
    return GaslampError(
        f"turn {number} is marked to be trained (in part, or as no answer), and the chat template changes its text",
        "remove spaces and line ends at the start and end of this turn",
        "remove its marks (train, weight, train_detail)",
    )

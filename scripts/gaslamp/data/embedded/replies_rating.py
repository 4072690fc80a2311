"""Replies to guests of a cafe with a thumb up or down, one a row: for KTO, which needs no pairs."""

from __future__ import annotations

from collections.abc import Iterator

from gaslamp.data.embedded._replies import make_replies
from gaslamp.data.rows import SourceRow

ROWS = "rating"  # kind of its rows: the interview recommends a method for it
DESCRIPTION = (
    "Replies to guests with a thumb: true is friendly and true to the fact, false is wrong, rude, evasive or rambling"
)


def generate(seed: int = 3408, n_train: int = 240, n_valid: int = 24, n_test: int = 64) -> Iterator[SourceRow]:
    """Yield ``{"prompt", "completion", "label", "split", "slice"}``.

    Half of each split is good, no prompt occurs twice.
    """
    for number, reply in enumerate(make_replies(seed, n_train, n_valid, n_test)):
        good = (number + number // 4) % 2 == 0  # alternates, and so does the kind of fault
        yield {
            "prompt": reply.prompt,
            "completion": reply.good if good else reply.bad,
            "label": good,
            "split": reply.split,
            "slice": reply.slice,
        }

"""Replies to guests of a cafe in pairs, a good one and a bad one: for DPO, ORPO, SimPO and reward models."""

from __future__ import annotations

from collections.abc import Iterator

from gaslamp.data.embedded._replies import make_replies
from gaslamp.data.rows import SourceRow

ROWS = "preference"  # kind of its rows: the interview recommends a method for it
DESCRIPTION = (
    "Replies to guests in pairs: chosen is friendly and true to the fact, rejected is wrong, rude, evasive or rambling"
)


def generate(seed: int = 3407, n_train: int = 240, n_valid: int = 24, n_test: int = 64) -> Iterator[SourceRow]:
    """Yield ``{"prompt", "chosen", "rejected", "fault", "split", "slice"}`` in the order train, valid, test.

    No prompt occurs twice.
    """
    for reply in make_replies(seed, n_train, n_valid, n_test):
        yield {
            "prompt": reply.prompt,
            "chosen": reply.good,
            "rejected": reply.bad,
            "fault": reply.fault,
            "split": reply.split,
            "slice": reply.slice,
        }

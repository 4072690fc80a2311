"""Lengths of the training rows, and the padding that a batch size costs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import Any

from gaslamp.train.sampler import LengthSampler

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Lengths:
    """Tokens of the training rows: each of a sample of them, or all."""

    rows: int
    tokens: list[int]

    @property
    def longest(self) -> int:
        """Tokens of the longest row; 0 without rows."""
        return max(self.tokens, default=0)

    @property
    def mean(self) -> float:
        """Mean tokens of a row; 0 without rows."""
        return sum(self.tokens) / len(self.tokens) if self.tokens else 0.0

    def get_largest(self, size: int) -> int:
        """Tokens of the ``size`` longest rows together."""
        return sum(sorted(self.tokens)[-size:]) + max(0, size - len(self.tokens)) * self.longest

    @staticmethod
    def from_card(card: JsonObject, max_length: int) -> Lengths:
        """From data/card.json, whose histogram has every row in bins.

        Rows over ``max_length`` tokens are left out of a training.
        """
        rows, longest = int(card["rows"]["train"]), int(card["tokens"]["total"]["max"])
        bins = [
            (min(entry["to"] - 1, longest), entry["rows"]) for entry in card["histogram"] if entry["from"] < max_length
        ]
        share = max(1.0, sum(count for _, count in bins) / 4000)
        tokens = [min(length, max_length) for length, count in bins for _ in range(ceil(count / share))]
        return Lengths(rows, tokens or [min(longest, max_length)])


def get_padding(lengths: list[int], rows: int, size: int, seed: int = 0) -> float:
    """Share of padding among the tokens that are computed, in the order in which training takes the rows.

    Args:
        lengths: tokens of each row.
        rows: effective batch size.
        size: batch size.
        seed: of the order.
    """
    order = list(LengthSampler(lengths, rows, seed))
    computed = 0
    batches = iter(order)
    while batch := list(islice(batches, size)):
        computed += len(batch) * max(lengths[row] for row in batch)
    return 1 - sum(lengths) / computed if computed else 0.0

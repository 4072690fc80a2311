"""The order of the training rows: rows of similar length together, batches in random order, the same after a resume."""

from __future__ import annotations

import random
from collections.abc import Iterator


class LengthSampler:
    """Yields row indices so that each run of ``batch_size`` has rows of similar length: less padding to compute.

    The order depends on seed and epoch alone. transformers' own sampler takes numbers from PyTorch's global random
    state, so that one evaluation before the first step, or a resume, gave other batches and another loss; it also
    trains each stretch of rows from the longest to the shortest.

    Args:
        lengths: tokens of each row.
        batch_size: rows in a batch.
        seed: another seed, another order.
    """

    STRETCH = 16  # batches that are sorted together: larger saves padding, smaller mixes better

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate's loader before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        shuffler = random.Random(f"{self.seed}:{self.epoch}")
        order = list(range(len(self.lengths)))
        shuffler.shuffle(order)
        size = self.batch_size * self.STRETCH
        stretches = [
            sorted(order[start : start + size], key=lambda row: self.lengths[row])
            for start in range(0, len(order), size)
        ]
        batches = [
            stretch[start : start + self.batch_size]
            for stretch in stretches
            for start in range(0, len(stretch), self.batch_size)
        ]
        whole, rest = (
            [b for b in batches if len(b) == self.batch_size],
            [b for b in batches if len(b) < self.batch_size],
        )
        shuffler.shuffle(whole)
        # a short batch anywhere but at the end would shift the borders of all that follow
        return iter([row for batch in whole + rest for row in batch])

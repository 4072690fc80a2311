"""Which split a row belongs to.

Decided by the hash of its prompt and a seed alone, so that no row moves when others are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Words: TypeAlias = NDArray[np.uint64]
    Integers: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]

MASK = 2**64 - 1


def mix(value: int) -> int:
    """SplitMix64: every bit of a 64-bit number depends on every bit of ``value``."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def get_position(question: bytes, seed: int) -> float:
    """A number in [0, 1) for rows with the prompt ``question`` (rows.get_question); below split.test: test rows."""
    return mix(int.from_bytes(question[:8], "little") ^ mix(seed)) / 2**64


class Seen:
    """Which 16-byte digests came before.

    An open-addressing table of 64-bit words, 32 to 64 bytes a row, looked up in batches.
    """

    def __init__(self) -> None:
        import numpy

        self._low = numpy.zeros(1 << 12, dtype=numpy.uint64)
        self._high = numpy.zeros(1 << 12, dtype=numpy.uint64)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, digests: bytes) -> Mask:
        """Add digests (16 bytes each) and return a mask of those that are new; of equal ones the first."""
        import numpy

        words = numpy.frombuffer(digests, dtype=numpy.uint64)
        low, high = words[0::2].copy(), words[1::2].copy()
        low[low == 0] = 1  # zero marks an empty place
        while 2 * (self._used + len(low)) > len(self._low):
            self._grow()
        # of equal digests of one batch only the first is looked up
        _, first = numpy.unique(low, return_index=True)
        alone = numpy.zeros(len(low), dtype=bool)
        alone[first] = True
        new = numpy.zeros(len(low), dtype=bool)
        self._insert(low, high, first, new)
        if len(first) < len(
            low
        ):  # equal low words: nearly always equal digests; looked up after the others, so they are found
            for index in numpy.flatnonzero(~alone):
                self._insert(low, high, numpy.array([index]), new)
        self._used += int(new.sum())
        return new

    def _grow(self) -> None:
        import numpy

        old_low, old_high = self._low, self._high
        self._low = numpy.zeros(2 * len(old_low), dtype=numpy.uint64)
        self._high = numpy.zeros(2 * len(old_low), dtype=numpy.uint64)
        for start in range(0, len(old_low), 1 << 16):  # a piece at a time, or the copies would need more than the table
            held = start + numpy.flatnonzero(old_low[start : start + (1 << 16)])
            self._insert(old_low[held], old_high[held], numpy.arange(len(held)), numpy.zeros(len(held), dtype=bool))

    def _insert(self, low: Words, high: Words, pending: Integers, new: Mask) -> None:
        import numpy

        mask, one = numpy.uint64(len(self._low) - 1), numpy.uint64(1)
        a, b = low[pending], high[pending]
        place = a & mask
        while len(pending):
            held = self._low[place]
            empty = held == 0
            found = (held == a) & (self._high[place] == b)
            # of several that want one empty place one gets it: it is written, and who reads itself back has won
            wanted = place[empty]
            self._low[wanted], self._high[wanted] = a[empty], b[empty]
            won = empty & (self._low[place] == a) & (self._high[place] == b)
            new[pending[won]] = True
            rest = ~(found | won)
            pending, a, b, place = pending[rest], a[rest], b[rest], (place[rest] + one) & mask


def get_positions(questions: bytes, seed: int) -> NDArray[np.float64]:
    """get_position for many rows: ``questions`` holds the first 8 bytes of each digest; float64 of shape (rows,)."""
    import numpy

    with numpy.errstate(over="ignore"):
        value = numpy.frombuffer(questions, dtype=numpy.uint64) ^ numpy.uint64(mix(seed))
        value = value + numpy.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return (value ^ (value >> numpy.uint64(31))).astype(numpy.float64) / 2**64

"""Which split a row belongs to.

Decided by the hash of its prompt and a seed alone, so that no row moves when others are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


def get_positions(questions: bytes, seed: int) -> NDArray[np.float64]:
    """get_position for many rows: ``questions`` holds the first 8 bytes of each digest; float64 of shape (rows,)."""
    import numpy

    with numpy.errstate(over="ignore"):
        value = numpy.frombuffer(questions, dtype=numpy.uint64) ^ numpy.uint64(mix(seed))
        value = value + numpy.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return (value ^ (value >> numpy.uint64(31))).astype(numpy.float64) / 2**64

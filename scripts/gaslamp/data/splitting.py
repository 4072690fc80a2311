"""Which split a row belongs to: decided by the hash of what it asks and a seed alone, so that no row moves when others come."""

from __future__ import annotations

MASK = 2**64 - 1


def mix(value: int) -> int:
    """SplitMix64: every bit of a 64-bit number depends on every bit of ``value``."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def get_position(question: bytes, seed: int) -> float:
    """A number in [0, 1) for rows that ask ``question`` (rows.get_question): below split.test they are test rows."""
    return mix(int.from_bytes(question[:8], "little") ^ mix(seed)) / 2**64

"""What so many test rows can show: the smallest gain of a right-or-wrong score that is not taken for luck."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

LOST = 0.05  # share of rows that even a better model loses
POWER = 0.8  # share of runs in which a gain is to be seen
STEP = 0.001


def get_smallest_gain(rows: int, confidence: float = 0.95) -> float | None:
    """The smallest gain that the paired test (McNemar's, exact) can confirm: no row lost, as few gained as possible.

    Returns:
        A share of the rows; ``None`` when even gaining all of them would not be enough.
    """
    gained = next(count for count in range(1, 1000) if 2 * 0.5**count < 1 - confidence)
    return gained / rows if gained <= rows else None


@lru_cache(maxsize=64)
def get_visible_gain(rows: int, confidence: float = 0.95) -> float | None:
    """The gain that ``POWER`` of all runs confirm when ``LOST`` of the rows get worse (Connor, 1987).

    Returns:
        A share of the rows; ``None`` when there is none below 1.
    """
    normal = NormalDist()
    a, b = normal.inv_cdf(0.5 + confidence / 2), normal.inv_cdf(POWER)
    for number in range(1, round((1 - LOST) / STEP) + 1):
        gain = number * STEP
        changed = gain + 2 * LOST
        if changed > 1:
            return None
        if (a * math.sqrt(changed) + b * math.sqrt(changed - gain**2)) ** 2 / gain**2 <= rows:
            return gain
    return None


def describe_power(rows: int, confidence: float = 0.95) -> str:
    """One sentence without a full stop: which gains so many test rows cannot and can show."""
    least, visible = get_smallest_gain(rows, confidence), get_visible_gain(rows, confidence)
    if least is None:
        return f"{rows} test rows can show no gain at all: even if every row became right, chance would explain it"
    text = f"with {rows} test rows a gain under {100 * least:.1f} points of a right-or-wrong score cannot be seen"
    if visible is None:
        return text
    return f"{text}; one of {math.ceil(100 * visible)} points is seen in four of five runs"

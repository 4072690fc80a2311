"""The batch size that a GPU's memory allows, found by a few measured steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LEAST, MOST = 0.85, 0.92
"""Share of the free memory that a training should take where it can use it.

Above, a batch of another shape could run out.
"""
PROBES = 4  # measured steps at most, before the first one of the training


@dataclass
class Fit:
    """What the probe steps measured.

    Attributes:
        size: the batch size to train with.
        peak_gb: measured peak of a step with it.
        probes: every measured step: (batch size, GB), ``None`` where memory ran out.
        reason: why this size.
    """

    size: int
    peak_gb: float
    probes: list[tuple[int, float | None]]
    reason: str


def fit_batch(
    measure: Callable[[int], float | None], sizes: list[int], start: int, base_gb: float, room_gb: float
) -> Fit | None:
    """The largest batch size whose measured peak stays within MOST of the memory, found by at most PROBES steps.

    How much a row takes follows from the probes: the next size is the largest that should fit by it.

    Args:
        measure: runs one whole step with a batch size, on the longest rows -> peak in GB, ``None`` when memory ran out.
        sizes: that may be taken, ascending.
        start: the size that was calculated.
        base_gb: in use before the step (weights, adapter).
        room_gb: all the memory that may be used.

    Returns:
        The size and what was measured; ``None`` when not even the smallest fits.
    """
    limit = MOST * room_gb
    probes: list[tuple[int, float | None]] = []
    known: dict[int, float | None] = {}
    size: int | None = start
    while size is not None and len(probes) < PROBES:
        known[size] = measure(size)
        probes.append((size, known[size]))
        size = _get_next(known, sizes, base_gb, limit)
    fitting = {tried: peak for tried, peak in known.items() if peak is not None and peak <= limit}
    if not fitting:  # above the margin, but it did run
        fitting = {tried: peak for tried, peak in known.items() if peak is not None}
        if not fitting:
            smaller = [one for one in sizes if one < min(known)]
            if not smaller or (peak := measure(smaller[0])) is None:
                return None
            probes.append((smaller[0], peak))
            fitting = {smaller[0]: peak}
        best = min(fitting)
    else:
        best = max(fitting)
    peak = fitting[best]
    share = f"{peak / room_gb:.0%}".replace("%", " %")
    larger = [one for one in sizes if one > best]
    if not larger:
        why = "the whole effective batch in one forward pass" + (
            "" if peak >= LEAST * room_gb else ": more memory would change nothing"
        )
    elif known.get(larger[0], 0.0) is None:
        why = f"{larger[0]} ran out of memory"
    elif known.get(larger[0]):
        why = f"{larger[0]} took {known[larger[0]]:.1f} GB, over {limit:.1f}"
    else:
        why = f"{larger[0]} would take {base_gb + (peak - base_gb) / best * larger[0]:.1f} GB, over {limit:.1f}"
    return Fit(best, peak, probes, f"measured {peak:.1f} of {room_gb:.1f} GB ({share}); {why}")


def _get_next(known: dict[int, float | None], sizes: list[int], base_gb: float, limit: float) -> int | None:
    """The largest size that fits by what was measured so far, when it was not tried yet."""
    measured = {size: peak for size, peak in known.items() if peak is not None}
    failed = [size for size in known if known[size] is None]
    below = [size for size in sizes if not failed or size < min(failed)]
    if not below:
        return None
    if not measured:  # ran out at once: the middle of those below
        return below[len(below) // 2]
    most = max(measured)
    per_row = max(0.0, (measured[most] - base_gb) / most)
    wanted = [size for size in below if base_gb + per_row * size <= limit and measured.get(size, 0.0) <= limit]
    target = wanted[-1] if wanted else below[0]
    return target if target not in known else None

"""How long the rest of a series of steps takes, from the steps that were measured: the one estimate of all screens."""

from __future__ import annotations

from collections.abc import Sequence

WINDOW = 20
"""Steps of the present pace."""
LEAST = 3
"""Steps before anything is said: the first ones compile, load and fill caches."""
CUT = 0.1
"""Share of the fastest and of the slowest steps that does not count: a pause of the machine is no pace."""


def get_pace(seconds: Sequence[float]) -> float | None:
    """Seconds that a step takes now; ``None`` before LEAST steps without the first one.

    The mean of the last WINDOW steps without the fastest and slowest tenth: the median would leave out that long rows
    take longer, the mean would be a multiple for minutes after one step during which the machine slept.

    Args:
        seconds: of each step, in order, with the first one.
    """
    known = [value for value in seconds if value == value][1:]
    if len(known) < LEAST:
        return None
    window = sorted(known[-WINDOW:])
    cut = max(int(len(window) * CUT), 1) if len(window) > LEAST else 0
    kept = window[cut : len(window) - cut] or window
    return sum(kept) / len(kept)


def get_remaining(seconds: Sequence[float], left: int, between: Sequence[float] = (), pauses: int = 0) -> float | None:
    """Seconds that are left; ``None`` where nothing can be said yet.

    Args:
        seconds: of each step so far.
        left: steps to come.
        between: seconds of what happens between steps, such as measurements of the validation loss.
        pauses: how many of these are to come.
    """
    pace = get_pace(seconds)
    if pace is None:
        return None
    known = sorted(between)
    return pace * max(0, left) + (known[len(known) // 2] * max(0, pauses) if known else 0.0)

"""One logged value over the steps, as it is and smoothed, thinned to what a screen can show."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from gaslamp.train.history import get_width

POINTS = 800  # of one curve on a screen: more points than a screen has columns
Points = list[list[float | None]]
"""Steps and values of a curve, of the same length; ``None`` where the value was NaN or infinite."""


@dataclass
class Series:
    """One logged value over the steps, as it is and smoothed; NaN where the value was NaN or infinite.

    The smoothed value of a step is what ``train/history.py: get_smoothed`` gives for the steps until then, so that the
    end of the curve is the number that train.json and every page show.
    """

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    smooth: array[float] = field(default_factory=lambda: array("d"))
    broken: int = 0  # values that were NaN or infinite
    _sums: array[float] = field(default_factory=lambda: array("d", [0.0]))  # of the first values that are numbers

    def add(self, step: int, value: float) -> None:
        """Append one value; NaN and infinity do not count for the smoothed one."""
        finite = math.isfinite(value)
        self.broken += not finite
        self.steps.append(step)
        self.values.append(value if finite else math.nan)
        if finite:
            self._sums.append(self._sums[-1] + value)
        count = len(self._sums) - 1
        width = get_width(count)
        self.smooth.append((self._sums[-1] - self._sums[count - width]) / width if count else math.nan)

    def get_smoothed(self) -> float | None:
        """The smoothed value at the end, as train.json and every page have it; ``None`` before the first."""
        return self.smooth[-1] if len(self._sums) > 1 else None

    def cut(self, step: int) -> bool:
        """Drop everything after ``step``, where a resume continues; returns whether anything was dropped."""
        keep = len(self.steps)
        while keep and self.steps[keep - 1] > step:
            keep -= 1
        if keep == len(self.steps):
            return False
        for column in (self.steps, self.values, self.smooth):
            del column[keep:]
        del self._sums[1 + sum(value == value for value in self.values) :]
        return True

    def last(self) -> float | None:
        """The newest value that is a number."""
        return next((value for value in reversed(self.values) if value == value), None)

    def get_points(self, limit: int) -> dict[str, Points]:
        """At most ``limit`` points of both forms, chosen so that the line looks the same (LTTB downsampling)."""
        return {
            "raw": _thin(self.steps, self.values, limit),
            "smooth": _thin(self.steps, self.smooth, limit),
        }


def _plain(values: Iterable[float]) -> list[float | None]:
    return [float(f"{value:.6g}") if value == value else None for value in values]


def _thin(steps: array[int], values: array[float], limit: int) -> Points:
    if len(steps) <= limit:
        return [list(steps), _plain(values)]
    import numpy
    from tsdownsample import LTTBDownsampler

    x, y = numpy.frombuffer(steps, dtype=numpy.int64), numpy.frombuffer(values, dtype=numpy.float64)
    places = LTTBDownsampler().downsample(x, numpy.nan_to_num(y), n_out=limit)
    return [x[places].tolist(), _plain(y[places])]

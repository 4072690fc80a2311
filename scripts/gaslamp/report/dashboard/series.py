"""One logged value over the steps, with both smoothed forms, thinned to what a screen can show."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from gaslamp.train.history import get_smoothed

POINTS = 800  # of one curve on a screen: more points than a screen has columns
EMA = 0.9  # weight of the past in the exponential moving average
WINDOW = 20  # steps of the running mean

Points = list[list[float | None]]
"""Steps and values of a curve, of the same length; ``None`` where the value was NaN or infinite."""


@dataclass
class Series:
    """One logged value over the steps, with both smoothed forms; NaN where the value was NaN or infinite."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    ema: array[float] = field(default_factory=lambda: array("d"))
    mean: array[float] = field(default_factory=lambda: array("d"))
    broken: int = 0  # values that were NaN or infinite
    _window: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _total: float = 0.0  # of the window

    def add(self, step: int, value: float) -> None:
        """Append one value; NaN and infinity count neither for the moving average nor for the mean."""
        finite = math.isfinite(value)
        self.broken += not finite
        before = self.ema[-1] if self.ema else math.nan
        smoothed = before if not finite else value if math.isnan(before) else EMA * before + (1 - EMA) * value
        self.steps.append(step)
        self.values.append(value if finite else math.nan)
        self.ema.append(smoothed)
        if finite:
            self._total += value - (self._window[0] if len(self._window) == WINDOW else 0.0)
            self._window.append(value)
        self.mean.append(self._total / len(self._window) if self._window else math.nan)

    def get_smoothed(self) -> float | None:
        """The smoothed value at the end, as train.json and every page have it; ``None`` before the first."""
        known = [value for value in self.values if value == value]
        return get_smoothed(known) if known else None

    def cut(self, step: int) -> bool:
        """Drop everything after ``step``, where a resume continues; returns whether anything was dropped."""
        keep = len(self.steps)
        while keep and self.steps[keep - 1] > step:
            keep -= 1
        if keep == len(self.steps):
            return False
        for column in (self.steps, self.values, self.ema, self.mean):
            del column[keep:]
        self._window = deque((value for value in self.values[-WINDOW:] if value == value), maxlen=WINDOW)
        self._total = sum(self._window)
        return True

    def last(self) -> float | None:
        """The newest value that is a number."""
        return next((value for value in reversed(self.values) if value == value), None)

    def get_points(self, limit: int) -> dict[str, Points]:
        """At most ``limit`` points of each form, chosen so that the line looks the same (LTTB downsampling)."""
        return {
            "raw": _thin(self.steps, self.values, limit),
            "ema": _thin(self.steps, self.ema, limit),
            "mean": _thin(self.steps, self.mean, limit),
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

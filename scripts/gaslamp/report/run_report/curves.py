"""Curves as inline SVG: a report opens without a script."""

from __future__ import annotations

from dataclasses import dataclass

from gaslamp.pages.numbers import format_number
from gaslamp.report.dashboard.panels import Panel
from gaslamp.report.dashboard.trainings import Training

WIDTH, HEIGHT = 560, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 24
POINTS = 300


@dataclass(frozen=True)
class Line:
    """One curve: an SVG path; a faint one is the raw curve behind its moving average."""

    label: str
    color: int
    faint: bool
    path: str


@dataclass(frozen=True)
class Tick:
    """A label of an axis, at ``x`` or ``y`` in units of the SVG."""

    text: str
    x: float = 0.0
    y: float = 0.0
    anchor: str = "end"


@dataclass(frozen=True)
class Chart:
    """One chart for the template: its curves, the labels of the value axis and those of the first and last step."""

    title: str
    hint: str
    lines: list[Line]
    grid: list[Tick]
    ends: list[Tick]


@dataclass(frozen=True)
class _Scale:
    """Maps steps and values to the SVG."""

    low_x: float
    wide: float
    low: float
    tall: float

    def put_x(self, step: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (step - self.low_x) / self.wide, 1)

    def put_y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / self.tall, 1)


def get_chart(training: Training, panel: Panel) -> Chart | None:
    """The chart of a panel; ``None`` when nothing was logged."""
    curves: list[tuple[str, int, bool, list[tuple[float, float]]]] = []
    for place, curve in enumerate(panel.curves):
        series = training.series.get(curve.name)
        if series is None:
            continue
        smooth = panel.smooth and len(series.steps) > 30 and curve.name != "valid_loss"
        for form in ("raw", "smooth") if smooth else ("raw",):
            steps, values = series.get_points(POINTS)[form]
            known = [(step, v) for step, v in zip(steps, values, strict=True) if step is not None and v is not None]
            if known:
                curves.append((curve.label, place % 4, smooth and form == "raw", known))
    if not curves:
        return None
    xs = [step for *_, points in curves for step, _ in points]
    ys = [value for *_, points in curves for _, value in points]
    tall = (max(ys) - min(ys)) or abs(max(ys)) or 1.0
    scale = _Scale(min(xs), (max(xs) - min(xs)) or 1, min(ys), tall)
    lines = [
        Line(label, color, faint, "M" + "L".join(f"{scale.put_x(x)} {scale.put_y(y)}" for x, y in points))
        for label, color, faint, points in curves
    ]
    grid = [
        Tick(format_number(value), y=scale.put_y(value))
        for value in (min(ys) + share * tall for share in (0.0, 0.5, 1.0))
    ]
    ends = [Tick(f"{min(xs):.3g}", x=LEFT, anchor="start"), Tick(f"{max(xs):g}", x=WIDTH - RIGHT)]
    return Chart(panel.title, panel.hint.text, lines, grid, ends)

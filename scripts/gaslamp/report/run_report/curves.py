"""Curves as inline SVG: a report opens without a script."""

from __future__ import annotations

from typing import Any

from gaslamp.report.dashboard.panels import Panel
from gaslamp.report.dashboard.trainings import Training

WIDTH, HEIGHT = 560, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 24
POINTS = 300


def _tick(value: float) -> str:
    return f"{value:.3g}"


def get_chart(training: Training, panel: Panel) -> dict[str, Any] | None:
    """One chart for the template: title, hint, SVG paths of each curve, ticks; ``None`` when nothing was logged."""
    lines: list[dict[str, Any]] = []
    for place, curve in enumerate(panel.curves):
        series = training.series.get(curve.name)
        if series is None:
            continue
        smooth = panel.smooth and len(series.steps) > 30 and curve.name != "valid_loss"
        for form in ("raw", "ema") if smooth else ("raw",):
            steps, values = series.get_points(POINTS)[form]
            known = [(step, value) for step, value in zip(steps, values, strict=True) if value is not None]
            if known:
                lines.append(
                    {"label": curve.label, "color": place % 4, "faint": smooth and form == "raw", "points": known}
                )
    if not lines:
        return None
    xs = [step for line in lines for step, _ in line["points"]]
    ys = [value for line in lines for _, value in line["points"]]
    low_x, high_x, low, high = min(xs), max(xs), min(ys), max(ys)
    wide, tall = (high_x - low_x) or 1, (high - low) or abs(high) or 1.0

    def put(step: float, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (step - low_x) / wide
        return f"{x:.1f} {HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / tall:.1f}"

    for line in lines:
        line["path"] = "M" + "L".join(put(*point) for point in line.pop("points"))
    grid = [
        {"y": float(put(low_x, low + share * tall).split()[1]), "text": _tick(low + share * tall)}
        for share in (0.0, 0.5, 1.0)
    ]
    ends = [
        {"x": LEFT, "text": _tick(low_x), "anchor": "start"},
        {"x": WIDTH - RIGHT, "text": f"{high_x:g}", "anchor": "end"},
    ]
    return {"title": panel.title, "hint": panel.hint.text, "lines": lines, "grid": grid, "ends": ends}

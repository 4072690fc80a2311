"""Charts for a terminal: lines of text, with or without colour."""

from __future__ import annotations

import math

from gaslamp.core.visible import show_controls
from gaslamp.report.dashboard.panels import Panel, get_panels
from gaslamp.report.dashboard.trainings import Training
from gaslamp.report.methods import describe_method

MARKERS = ("braille", "x", "o", "+")  # where there is no colour, the curves differ by these


def clean(text: object) -> str:
    """Text of others on one line, which cannot steer a terminal."""
    return show_controls(text).replace("\n", " ").replace("\t", " ")


def draw_panel(training: Training, panel: Panel, width: int, height: int, colors: bool) -> str:
    """One chart as lines of text with ANSI colours, ``width`` x ``height`` cells."""
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.plot_size(max(20, width), max(6, height))
    figure.theme("simple" if colors else "colorless")
    several = len(panel.curves) > 1
    limit = max(50, 2 * width)
    corner, rises = (0.0, math.inf, -math.inf), False  # last step, lowest and highest value
    for place, curve in enumerate(panel.curves):
        series = training.series.get(curve.name)
        if series is None:
            continue
        form = "smooth" if panel.smooth and len(series.steps) > 30 and curve.name != "valid_loss" else "raw"
        steps, values = series.get_points(limit)[form]
        known = [
            (step, value) for step, value in zip(steps, values, strict=True) if step is not None and value is not None
        ]
        if not known:
            continue
        marker = MARKERS[place % len(MARKERS)]
        signal = figure.signal(
            [step for step, _ in known],
            [value for _, value in known],
            marker=marker if several and not colors else MARKERS[0],
        )
        signal.lines()
        if several:
            signal.label(clean(curve.label)[:20])
        figure.draw(signal)
        numbers = [value for _, value in known]
        corner = (max(corner[0], known[-1][0]), min(corner[1], *numbers), max(corner[2], *numbers))
        rises = rises or known[-1][1] > known[0][1]
    if several and math.isfinite(
        corner[1]
    ):  # where the curves are not: they fall from the upper left, or rise to the upper right
        figure.legend(True, corner[0], corner[1] if rises else corner[2], "right", "bottom" if rises else "top", True)
    figure.title(clean(panel.title)[: width - 4])
    text: str = figure.build().string(colorless=not colors)
    return text.rstrip("\n")


def choose_panels(training: Training) -> list[Panel]:
    """The charts of a small screen: as many as the method names, the most important first."""
    panels = get_panels(training)
    wanted = describe_method(training.method).main_panels
    by_id = {panel.id: panel for panel in panels}
    chosen = [by_id[name] for name in wanted if name in by_id]
    return (chosen + [panel for panel in panels if panel not in chosen])[: len(wanted)]

"""outputs/<run>/learning_curve.html: score by rows, with intervals, and one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.files import write_text
from gaslamp.core.sweep_contracts import LearningCurve
from gaslamp.pages.html import render_template
from gaslamp.pages.numbers import format_score, format_value
from gaslamp.pages.plots import get_ends, get_ticks
from gaslamp.pages.themes import get_theme_css
from gaslamp.report.sweep.figures import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH

if TYPE_CHECKING:
    from markupsafe import Markup

HERE = Path(__file__).parent


def write_curve_page(curve: LearningCurve, project: str, out: Path) -> None:
    """Write the page.

    Args:
        curve: what it shows.
        project: its name.
        out: the page.
    """
    style = get_theme_css("auto", "general") + (HERE / "style.css").read_text(encoding="utf-8")
    rows = [
        {"name": "base model" if not point.share else f"{100 * point.share:g} %", "run": point.run, "rows": point.rows}
        | {"score": format_score(point.score, curve.unit)}
        for point in curve.points
    ]
    page = render_template(
        HERE / "curve.html.j2", style, project=project, curve=curve, rows=rows, plot=plot_learning(curve)
    )
    write_text(out, page)


def plot_learning(curve: LearningCurve) -> Markup:
    """Score by number of rows as inline SVG, with the interval of each."""
    from markupsafe import Markup, escape

    low, high = get_ends([point.score for point in curve.points], curve.unit)
    most = max(point.rows for point in curve.points) or 1

    def x(rows: float) -> float:
        return round(LEFT + rows / most * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    said = ", ".join(f"{point.rows} rows {format_value(point.score.value, curve.unit)}" for point in curve.points)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">']
    for tick in get_ticks(low, high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>')
        label = escape(format_value(tick, curve.unit))
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{label}</text>')
    for point in curve.points:
        at = x(point.rows)
        parts.append(f'<line class="span" x1="{at}" x2="{at}" y1="{y(point.score.low)}" y2="{y(point.score.high)}"/>')
        parts.append(f'<circle cx="{at}" cy="{y(point.score.value)}" r="4"/>')
        parts.append(f'<text x="{at}" y="{HEIGHT - 10}" text-anchor="middle">{point.rows}</text>')
    path = " ".join(
        f"{'L' if n else 'M'}{x(point.rows)} {y(point.score.value)}" for n, point in enumerate(curve.points)
    )
    return Markup("".join([*parts, f'<path class="best" d="{path}"/></svg>']))  # noqa: S704 - figures only

"""Plots of a sweep as inline SVG: learning curves over each other, and parallel coordinates."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gaslamp.core.files import JsonObject
from gaslamp.core.sweep_contracts import PointFacts, SweepFacts
from gaslamp.pages.numbers import format_number, format_value
from gaslamp.pages.plots import get_ticks

if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT = 760, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 30


def plot_curves(curves: dict[str, list[tuple[int, float]]], kept: Sequence[str], label: str) -> Markup:
    """The validation loss of every point by step, those that were kept in colour.

    Args:
        curves: run -> (step, value), two points at least.
        kept: runs that stand out.
        label: what is drawn, for screen readers.
    """
    from markupsafe import Markup, escape

    steps = [step for points in curves.values() for step, _ in points]
    values = [value for points in curves.values() for _, value in points]
    low, high = min(values), max(values)
    high = high if high > low else low + 1
    last = max(*steps, 1)

    def x(step: float) -> float:
        return round(LEFT + step / last * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">']
    for tick in get_ticks(low, high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{escape(format_number(tick))}</text>')
    for tick in get_ticks(0, last):
        parts.append(f'<text x="{x(tick)}" y="{HEIGHT - 10}" text-anchor="middle">{tick:g}</text>')
    for run in sorted(curves, key=lambda name: name in kept):
        path = " ".join(f"{'L' if n else 'M'}{x(step)} {y(value)}" for n, (step, value) in enumerate(curves[run]))
        parts.append(
            f'<path class="{"best" if run in kept else "other"}" d="{path}"><title>{escape(run)}</title></path>'
        )
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - only figures and escaped names come in


def plot_parallel(points: Sequence[PointFacts], keys: Sequence[str], title: str, unit: str, label: str) -> Markup:
    """One line for each point through its values: an axis for each key that differs, and one for the score.

    Args:
        points: with a score.
        keys: of the config.
        title, unit: of the score.
        label: what is drawn, for screen readers.
    """
    from markupsafe import Markup, escape

    values = {key: [point.changes.get(key) for point in points] for key in keys}
    axes = [
        (key.removeprefix("train."), _place(own, show_value))
        for key, own in values.items()
        if len({show_value(value) for value in own}) > 1
    ]
    axes.append((title, _place([point.score for point in points], lambda score: format_value(float(str(score)), unit))))
    wide = max(WIDTH, 110 * len(axes))
    span = (wide - 2 * LEFT) / max(1, len(axes) - 1)

    def y(place: float) -> float:
        return round(HEIGHT - BOTTOM - place * (HEIGHT - 2 * BOTTOM), 1)

    parts = [f'<svg viewBox="0 0 {wide} {HEIGHT}" role="img" aria-label="{escape(label)}">']
    for number, (name, (_, marks)) in enumerate(axes):
        x = round(LEFT + number * span, 1)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{y(0)}" y2="{y(1)}"/>')
        parts.append(f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="middle">{escape(name[-24:])}</text>')
        parts += [f'<text x="{x + 5}" y="{y(place) + 4}">{escape(text)}</text>' for text, place in marks]
    for n in sorted(range(len(points)), key=lambda n: points[n].kept):
        path = " ".join(
            f"{'L' if number else 'M'}{round(LEFT + number * span, 1)} {y(places[n])}"
            for number, (_, (places, _)) in enumerate(axes)
        )
        kind = "best" if points[n].kept else "other"
        parts.append(f'<path class="{kind}" d="{path}"><title>{escape(points[n].run)}</title></path>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - only figures and escaped names come in


def plot_trade(files: Sequence[JsonObject], facts: SweepFacts) -> Markup:
    """Score by size of each file, in megabytes; those that no other file beats in score, size and speed in colour.

    Args:
        files: of ``list_files``.
        facts: for the unit of the score.
    """
    from markupsafe import Markup, escape

    sizes, scores = [float(one["bytes"]) / 1e6 for one in files], [float(one["value"]) for one in files]
    low, high = (0.0, 1.0) if facts.unit == "share" else (min(scores), max(scores))
    high, most = high if high > low else low + 1, max(sizes)

    def x(size: float) -> float:
        return round(LEFT + size / most * (WIDTH - LEFT - 6 * RIGHT), 1)

    def y(score: float) -> float:
        return round(TOP + (high - score) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    label = escape(f"score by size of {len(files)} files")
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">']
    for tick in get_ticks(low, high):
        shown = escape(format_value(tick, facts.unit))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{shown}</text>')
    for tick in get_ticks(0, most):
        parts.append(f'<text x="{x(tick)}" y="{HEIGHT - 10}" text-anchor="middle">{tick:g} MB</text>')
    for size, score, one in zip(sizes, scores, files, strict=True):
        kind = "" if one["front"] else ' class="beaten"'
        name = escape(f"{one['run']} {one['level']}: {one['score']}, {one['size']}, {one['tps']:.1f} tokens/s")
        parts.append(f'<circle{kind} cx="{x(size)}" cy="{y(score)}" r="5"><title>{name}</title></circle>')
        parts.append(f'<text x="{x(size) + 8}" y="{y(score) + 4}">{escape(one["level"])}</text>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - only figures and escaped names come in


def _place(values: Sequence[object], show: Callable[[object], str]) -> tuple[list[float], list[tuple[str, float]]]:
    """Where each value stands on its axis, 0 to 1, and the marks of the axis.

    Numbers of many different values stand where they are; all else, and few values, at equal distances.
    """
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    distinct = sorted(set(numbers))
    if len(numbers) == len(values) and len(distinct) > 6:
        low, high = distinct[0], distinct[-1]
        marks = [(show(one), (one - low) / (high - low)) for one in (low, high)]
        return [(number - low) / (high - low) for number in numbers], marks
    shown = sorted({show(value): value for value in values}.items(), key=lambda pair: _order(pair[1]))
    places = {text: n / max(1, len(shown) - 1) if len(shown) > 1 else 0.5 for n, (text, _) in enumerate(shown)}
    return [places[show(value)] for value in values], list(places.items())


def _order(value: object) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return not is_number, float(str(value)) if is_number else 0.0, str(value)


def show_value(value: object) -> str:
    """A value of the config as pages write it."""
    if value is None:
        return "as configured"
    if isinstance(value, bool):
        return str(value).lower()
    return (
        re.sub(r"e([+-])0*", r"e\1", f"{value:g}").replace("e+", "e") if isinstance(value, int | float) else str(value)
    )


def get_effects(points: Sequence[PointFacts], keys: Sequence[str]) -> list[JsonObject]:
    """What mattered: for each key the mean score by value, the key with the largest difference first.

    A mean over points that differ in other keys too: fair for a grid, a hint for random draws.
    """
    effects: list[JsonObject] = []
    for key in keys:
        groups: dict[str, list[float]] = {}
        for point in points:
            if point.score is not None:
                groups.setdefault(show_value(point.changes.get(key)), []).append(point.score)
        if 2 <= len(groups) <= 12:
            means = {value: sum(scores) / len(scores) for value, scores in groups.items()}
            counts = {value: len(scores) for value, scores in groups.items()}
            spread = max(means.values()) - min(means.values())
            effects.append({"key": key, "means": means, "counts": counts, "difference": spread})
    return sorted(effects, key=lambda effect: -float(effect["difference"]))

"""The ladder to look at: size against score as a picture (SVG), and the whole table as a piece of a page (HTML).

Both stand alone: no script, no style sheet, nothing from elsewhere. Colours are readable on light and on dark paper.
"""

from __future__ import annotations

from html import escape

from gaslamp.core.console import get_size
from gaslamp.core.contracts import Ladder, Level, Score
from gaslamp.core.export_contracts import describe_others
from gaslamp.pages.numbers import format_value
from gaslamp.pages.plots import get_ticks

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 40, 52
INK, FAINT, GOOD, BAD, CHOSEN = "#6b7280", "#9ca3af", "#3b82c4", "#b45309", "#15803d"


def render_svg(ladder: Ladder) -> str:
    """Size of each file against its score with interval, the score that is still good enough, the recommended level."""
    rungs = sorted(ladder.levels, key=lambda level: level.size_bytes)
    f16 = next(level for level in rungs if level.level == "f16")
    # a band only where scores are shares: elsewhere it may lie on either side
    is_share = ladder.unit == "share"
    floor = f16.score.value - (ladder.tolerance if is_share else 0.0)
    low, high = min(min(level.score.low for level in rungs), floor), max(level.score.high for level in rungs)
    margin = 0.05 * (high - low) or 0.01
    low, high = (max(0.0, low - margin), min(1.0, high + margin)) if is_share else (low - margin, high + margin)
    widest = 1.08 * max(level.size_bytes for level in rungs)

    def x(size: float) -> float:
        return round(LEFT + size / widest * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / max(high - low, 1e-9) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' aria-label="Size against score of each level"'
        ' font-family="system-ui, sans-serif" font-size="12">',
        f"<title>Size against score of each level; recommended: {escape(ladder.recommended)}</title>",
        _text(LEFT, 20, f"{ladder.title or ladder.metric}, with interval", INK, "start"),
        _text(WIDTH - RIGHT, HEIGHT - 10, "size of the file", INK, "end"),
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="{FAINT}"/>',
    ]
    for value in get_ticks(low, high):
        parts.append(_text(LEFT - 8, y(value) + 4, format_value(value, ladder.unit).replace(".0 %", " %"), INK, "end"))
        parts.append(f'<path d="M{LEFT} {y(value)}H{WIDTH - RIGHT}" stroke="{FAINT}" stroke-opacity=".25"/>')
    for size in get_ticks(0.0, widest):
        parts.append(_text(x(size), HEIGHT - BOTTOM + 18, get_size(int(size)) if size else "0", INK, "middle"))
    if is_share and low <= floor <= high:
        parts.append(f'<path d="M{LEFT} {y(floor)}H{WIDTH - RIGHT}" stroke="{BAD}" stroke-dasharray="5 4"/>')
        # left of f16, whose file is far larger than the next
        text = f"good enough from here: f16 less {100 * ladder.tolerance:g} points"
        parts.append(_text(x(f16.size_bytes) - 10, y(floor) - 5, text, BAD, "end"))
    taken: list[tuple[float, float]] = []
    for level in rungs:
        at, mid = x(level.size_bytes), y(level.score.value)
        colour = CHOSEN if level.level == ladder.recommended else GOOD if level.within_tolerance else BAD
        parts.append(
            f'<path d="M{at} {y(level.score.low)}V{y(level.score.high)}" stroke="{colour}" stroke-width="2"'
            ' stroke-opacity=".6"/>'
        )
        parts.append(
            f'<circle cx="{at}" cy="{mid}" r="{6 if level.level == ladder.recommended else 4}" fill="{colour}"/>'
        )
        # the recommended one below its point, where the tight crowd of levels above it is not
        row = mid + 20 if level.level == ladder.recommended else mid - 10
        while any(
            abs(at - other) < 70 and abs(row - line) < 13 for other, line in taken
        ):  # labels of close points climb
            row -= 13
        taken.append((at, row))
        name = f"{level.level} (recommended)" if level.level == ladder.recommended else level.level
        is_left = at >= WIDTH - 150  # no room on the right
        parts.append(_text(at - 8 if is_left else at + 6, max(row, 32), name, colour, "end" if is_left else "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'


COLUMNS = (
    "level",
    "score",
    "size",
    "bits a weight",
    "as f16",
    "perplexity",
    "KL divergence",
    "reads",
    "writes",
    "memory",
    "loads in",
)


def show_score(score: Score, unit: str) -> str:
    """A score with its interval, in its unit."""
    if unit == "share":
        return f"{100 * score.value:.1f} % ({100 * score.low:.1f} to {100 * score.high:.1f})"
    return f"{format_value(score.value, unit)} ({format_value(score.low, unit)} to {format_value(score.high, unit)})"


def get_cells(level: Level, unit: str = "share") -> list[str]:
    """The figures of a level as text, in the order of COLUMNS; what was not measured says so."""

    def show(value: float | None, form: str, unit: str = "") -> str:
        return "not measured" if value is None else f"{value:{form}}{unit}"

    busy = f" ({others})" if (others := describe_others(level.others_percent)) else ""
    return [
        level.level + (", imatrix" if level.imatrix else ""),
        show_score(level.score, unit),
        get_size(level.size_bytes),
        f"{level.bits_per_weight:.2f}",
        f"{100 * level.same_as_f16:.1f} %",
        show(level.perplexity, ".3f"),
        show(level.kl_divergence, ".5f"),
        show(level.prompt_tps, ".0f", f" tokens/s{busy}"),
        show(level.gen_tps, ".1f", f" tokens/s{busy}"),
        show(level.peak_memory_gb, ".2f", " GB"),
        show(level.load_seconds, ".1f", " s"),
    ]


def render_fragment(ladder: Ladder) -> str:
    """Picture and table in one ``<section>``, for any page."""
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    rows = []
    for level in ladder.levels:
        mark = ' class="recommended"' if level.level == ladder.recommended else ""
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in get_cells(level, ladder.unit))
        rows.append(f"<tr{mark}>{cells}</tr>")
    return (
        '<section class="ladder">\n<h2>Levels</h2>\n'
        f"<p>Recommended: <strong>{escape(ladder.recommended)}</strong>, {escape(ladder.reason)}.</p>\n"
        f"{render_svg(ladder)}"
        f'<div style="overflow-x:auto"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody>\n</table></div>\n</section>\n"
    )

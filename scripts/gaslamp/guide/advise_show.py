"""Advice on base models on a terminal, as a table for 80 columns and for more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gaslamp.core.files import JsonObject
from gaslamp.environment.advise import ROOMY, Advice
from gaslamp.environment.elsewhere import Elsewhere
from gaslamp.guide.machine_lines import describe_way
from gaslamp.guide.times import show_hours

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN = 10
NOTE = 20
"""Letters that a line of the note needs: where they do not fit, disk, licence and note leave the table."""
STYLES = {"fits": "green", "tight": "yellow", "exceeds": "red"}


def print_advice(
    advice: Sequence[Advice],
    elsewhere: Sequence[Elsewhere],
    console: Console,
    *,
    why: str = "",
    is_all: bool = False,
    is_explained: bool = False,
) -> None:
    """Print the models, the best first, what other machines would do, and how the figures were calculated.

    Args:
        advice: of ``get_advice``.
        elsewhere: of ``get_elsewhere``.
        console: where to.
        why: the first one is the first.
        is_all: every model; else the first SHOWN.
        is_explained: the formulas with their numbers, for the first three.
    """
    from rich.text import Text

    shown = advice if is_all else advice[:SHOWN]
    unlimited = console.options.update(width=10_000)
    rest = console.measure(_make_table(shown, is_wide=True, has_note=False), options=unlimited).maximum
    is_wide = rest + NOTE <= console.width
    console.print(_make_table(shown, is_wide=is_wide))
    if hidden := len(advice) - len(shown):
        console.print(Text(f"and {hidden} more: ALL=1", style="dim"))
    if not is_wide:
        for number, one in enumerate(shown, 1):
            if one.reason and number <= 3:
                console.print(Text(f"{number}. {one.model.name}: {one.reason}, {one.model.license}", style="dim"))
    if shown and shown[0].fits != "exceeds":
        console.print()
        if why:
            console.print(Text.assemble(("the first: ", "cyan"), why))
        console.print(Text("config.yaml for it", style="bold"))
        console.print(Text(render_settings(shown[0].settings)))
    for other in elsewhere:
        one = other.advice
        price = "nothing to pay" if one.price == 0 else f"about ${one.price:.2f}" if one.price else "price unknown"
        time = f", {show_hours(one.hours)}" if one.hours is not None else ""
        text = f"{other.title} ({other.way}): {one.model.name}, {one.memory_gb:.1f} GB{time}, {price}"
        console.print(Text.assemble(("elsewhere: ", "cyan"), text))
    for way in dict.fromkeys(other.way for other in elsewhere):
        console.print(Text(f"{way}: {describe_way(way)[1]}; docs/remote.md", style="dim"))
    if is_explained:
        _explain(shown[:3], console)


def _make_table(advice: Sequence[Advice], *, is_wide: bool, has_note: bool = True) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("base model", no_wrap=True, style="bold", overflow="ellipsis")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("download", justify="right", no_wrap=True)
    if is_wide:
        table.add_column("disk", justify="right", no_wrap=True)
        table.add_column("licence", no_wrap=True)
    if is_wide and has_note:
        table.add_column("note", overflow="fold", min_width=NOTE)
    for number, one in enumerate(advice, 1):
        cells: list[str | Text] = [
            str(number),
            one.model.name,
            one.model.size,
            Text(one.fits, style=STYLES[one.fits]),
            f"{one.memory_gb:.1f} GB",
            show_hours(one.hours),
            f"{one.download_gb:.1f} GB" if one.download_gb else "none",
        ]
        if is_wide:
            cells += [f"{one.disk_gb:.0f} GB", one.model.license]
        if is_wide and has_note:
            cells.append(Text("" if one.reason == ROOMY else one.reason))
        table.add_row(*cells)
    return table


def render_settings(settings: JsonObject) -> str:
    """The settings as lines of config.yaml."""
    lines = []
    for section, values in settings.items():
        lines.append(f"  {section}:")
        lines += [
            f"    {key}: {str(value).lower() if isinstance(value, bool) else value}" for key, value in values.items()
        ]
    return "\n".join(lines)


def _explain(advice: Sequence[Advice], console: Console) -> None:
    from rich.text import Text

    console.print()
    console.print(Text("how it is calculated (docs/environment.md)", style="bold"))
    for one in advice:
        console.print(Text(one.model.name, style="cyan"))
        console.print(Text(f"  memory: {one.formula['memory']}"))
        console.print(Text(f"  time:   {one.formula['hours']}"))
        dates = sorted({(source.date, source.title) for source in one.model.sources.values()})
        console.print(Text("  facts:  " + "; ".join(f"{title}, {date}" for date, title in dates), style="dim"))

"""The plan on a terminal: a short table of line, value and reason."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gaslamp.core.visible import make_safe_console
from gaslamp.guide.plan import Plan

if TYPE_CHECKING:
    from rich.console import Console

WIDEST = 120
LETTERS = "abc"
"""Names of the alternatives."""


def make_console() -> Console:
    """A console for a person: at most WIDEST columns, and no markup in what data and models are called."""
    width = min(WIDEST, shutil.get_terminal_size((100, 24)).columns)
    return make_safe_console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def print_plan(plan: Plan, console: Console) -> None:
    """Print the lines, what the run costs, the alternatives and the notes."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=True)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("line", no_wrap=True, style="cyan")
    table.add_column("value", overflow="fold", max_width=max(22, console.width // 3), style="bold")
    table.add_column("reason", overflow="fold")
    for number, line in enumerate(plan.lines, 1):
        table.add_row(str(number), Text(line.name), Text(line.value), Text(line.reason))
    console.print()
    console.print(Text("The plan"), style="bold")
    console.print(table)
    if plan.cost:
        console.print(Text.assemble(("\nexpected: ", "cyan"), plan.cost))
    if plan.alternatives:
        other = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        other.add_column("", style="dim", no_wrap=True)
        other.add_column("", style="cyan", overflow="fold", max_width=max(20, console.width // 4))
        other.add_column("", overflow="fold")
        for letter, one in zip(LETTERS, plan.alternatives, strict=False):
            other.add_row(letter if one.changes else "-", Text(one.title), Text(one.reason))
        console.print(Text("\nother ways"), style="bold")
        console.print(other)
    for note in plan.notes:
        console.print(Text.assemble(("\nnote: ", "yellow"), note))
    console.print()

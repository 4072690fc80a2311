"""The leaderboard in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.sweep_contracts import SweepFacts
from gaslamp.evaluate.sweep import describe_choice
from gaslamp.report.sweep.page import get_row

if TYPE_CHECKING:
    from rich.console import Console

SWEEP = Path("outputs/sweep.json")
MOST = 15
"""Points that the terminal shows; the page has all."""


def print_sweep(console: Console, run: str, file: Path = SWEEP) -> bool:
    """Print the leaderboard where ``run`` is one of its points; returns whether it is.

    Args:
        console: where to print.
        run: name of the run whose results are shown.
        file: sweep.json.
    """
    from rich.table import Table
    from rich.text import Text

    facts = SweepFacts.read(file) if file.is_file() else None
    if facts is None or run not in [point.run for point in facts.points]:
        return False
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("", "run", facts.title, "interval", "validation loss", "time"):
        table.add_column(column, overflow="fold")
    for place, point in enumerate(facts.points[:MOST], 1):
        row = get_row(facts, point, place)
        cells = (f"{place}{' *' if point.kept else ''}", row["run"], row["figure"], row["interval"], row["loss"])
        table.add_row(*(Text(str(cell)) for cell in (*cells, row["time"])), style="bold" if point.run == run else "")
    console.print()
    console.print(Text(describe_choice(facts)), style="bold", soft_wrap=True)
    console.print(table)
    more = f"{len(facts.points) - MOST} more points in outputs/sweep.html; " if len(facts.points) > MOST else ""
    console.print(Text(f"* went on to the test rows; {more}make adopt RUN=name takes a point over"), soft_wrap=True)
    return True

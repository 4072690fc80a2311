"""A run that tries an advice, next to the run that it comes from: what was changed, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.artefact import Score
from gaslamp.core.contracts import TrainFacts
from gaslamp.core.decisions import find_decision
from gaslamp.core.files import read_json
from gaslamp.core.finding import Remedy
from gaslamp.pages.numbers import format_score

if TYPE_CHECKING:
    from rich.console import Console

RECORD = "try.json"
"""In the folder of a run: the run that it comes from, and the advice that it tries."""
MOST = 20
"""Runs of a chain that are shown."""


def read_chain(outputs: Path, run: str) -> list[tuple[str, str]]:
    """``(run, what it changed)`` from the first run to ``run``; only ``run`` itself where it tries nothing."""
    chain: list[tuple[str, str]] = []
    while run not in (name for name, _ in chain) and len(chain) < MOST:
        file = outputs / run / RECORD
        record = read_json(file) if file.is_file() else {}
        remedy = Remedy.model_validate(record["remedy"]) if record else None
        chain.append((run, ", ".join(change.text for change in remedy.changes) if remedy else ""))
        if not record:
            break
        run = str(record["source"])
    return chain[::-1]


def get_rows(outputs: Path, run: str) -> list[list[str]]:
    """One row for each run of the chain: name, change, loss, validation loss, metric, score with interval, verdict."""
    return [
        [name, change or "the first run", *_get_results(outputs / name)] for name, change in read_chain(outputs, run)
    ]


def _get_results(folder: Path) -> list[str]:
    facts = TrainFacts.read(folder / "train.json") if (folder / "train.json").is_file() else None
    valid = None
    if facts:
        valid = facts.valid_loss_kept if facts.valid_loss_kept is not None else facts.valid_loss_last
    measured = find_decision(facts.decisions, "valid_rows") if facts else None
    on = f" ({measured.value} rows)" if measured else ""  # runs may measure it on more or fewer rows
    shown = f"{valid:.4g}{on}" if valid is not None else ""
    losses = [f"{facts.loss_last:.4g}" if facts else "did not end", shown]
    file = folder / "eval" / "compare.json"
    if not file.is_file():
        return [*losses, "", "", "not evaluated"]
    compare = read_json(file)
    main = compare["metrics"][0]
    score = format_score(Score.model_validate(main["tuned"]), main.get("unit", "share"))
    return [*losses, main["title"], score, compare["verdict"]]


def print_tries(console: Console, outputs: Path, run: str) -> bool:
    """Print what each run of the chain changed, and below it their results next to each other.

    Returns:
        Whether there was anything to print: ``run`` tries an advice.
    """
    from rich.table import Table
    from rich.text import Text

    rows = get_rows(outputs, run)
    if len(rows) < 2:
        return False
    console.print()
    console.print(Text("what was tried"), style="bold")
    for name, change, *_ in rows:
        console.print(Text(f"{name}: {change}"), soft_wrap=True)  # a key that is cut or wrapped could not be copied
    titles = list(dict.fromkeys(row[4] for row in rows if row[4]))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("run", "loss", "validation loss", titles[0] if len(titles) == 1 else "score"):
        table.add_column(name, no_wrap=True)
    table.add_column("verdict")
    for name, _, loss, valid, title, score, verdict in rows:
        table.add_row(
            *(Text(cell) for cell in (name, loss, valid, score if len(titles) == 1 else f"{title}\n{score}", verdict))
        )
    console.print(table)
    return True

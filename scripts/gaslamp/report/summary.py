"""What the terminal shows at the end of a run: the figures, the files worth opening, the next command."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from gaslamp.core.console import get_duration, get_size
from gaslamp.core.contracts import Artefact, Bench, Compare, Ladder, Parity, Score
from gaslamp.pages.numbers import format_interval, format_value
from gaslamp.report.roadbook.progress import Attempt, get_phases, read_attempts, write_progress

if TYPE_CHECKING:
    from rich.console import Console

_File = TypeVar("_File", bound=Artefact)


def _read(kind: type[_File], path: Path) -> _File | None:
    """A fact file, or ``None`` when the run has not made it (yet)."""
    return kind.read(path) if path.is_file() else None


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _interval(score: Score) -> str:
    return f"{100 * score.low:.1f} to {100 * score.high:.1f}"


def get_console(file: IO[str] | None = None) -> Console:
    """A console at most 80 columns wide, with colour only on a terminal."""
    from rich.console import Console

    return Console(
        file=file, width=min(80, shutil.get_terminal_size((80, 24)).columns), highlight=False, markup=False, emoji=False
    )


def _print_scores(console: Console, compare: Compare | None, ladder: Ladder | None, bench: Bench | None) -> None:
    from rich.table import Table
    from rich.text import Text

    if not compare and not ladder:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("", "score", "interval", "size", "same as f16", *(["tokens/s"] if bench else [])):
        table.add_column(column, justify="left" if not column else "right", no_wrap=bool(column))
    blank = [""] if bench else []
    if compare:
        first = compare.metrics[0]
        console.print(Text(f"{first.title}, {compare.n} test rows"), style="bold")
        table.add_row(
            "base model",
            format_value(first.base.value, first.unit),
            format_interval(first.base, first.unit),
            "",
            "",
            *blank,
        )
        table.add_row(
            "tuned model",
            format_value(first.tuned.value, first.unit),
            format_interval(first.tuned, first.unit),
            "",
            "",
            *blank,
            style="bold",
        )
        for name, pair in first.slices.items():
            table.add_row(
                Text(f"  {name}"[:24]),
                format_value(pair["tuned"].value, first.unit),
                format_interval(pair["tuned"], first.unit),
                "",
                "",
                *blank,
            )
    unit = ladder.unit if ladder else "share"
    if compare and ladder:  # fewer rows, and where answers are not compared (preferences) another metric
        same, rows = ladder.metric == compare.metrics[0].name, ladder.levels[0].score.n
        if not same or rows != compare.n:
            table.add_row(
                Text(f"files, {rows} rows" + ("" if same else f", {ladder.metric.replace('_', ' ')}")),
                "",
                "",
                "",
                "",
                *blank,
                style="dim",
            )
    for level in ladder.levels if ladder else []:
        chosen = ladder is not None and level.level == ladder.recommended
        paces = bench.levels.get(level.level, {}) if bench else {}  # a model that gives vectors only reads
        pace = paces.get("gen_tps", paces.get("prompt_tps"))
        speed = ["" if pace is None else f"{pace:.1f}"] if bench else []
        cells = (
            format_value(level.score.value, unit),
            format_interval(level.score, unit),
            get_size(level.size_bytes),
            _percent(level.same_as_f16),
        )
        table.add_row(f"{level.level}{' *' if chosen else ''}", *cells, *speed, style="green" if chosen else "")
    if compare and {"base", "tuned"} <= set(compare.retention):
        for who in ("base", "tuned"):
            kept = compare.retention[who]
            table.add_row(f"retention, {who}", _percent(kept.value), _interval(kept), "", "", *blank)
    console.print(table)
    if ladder:
        console.print(Text(f"* recommended: {ladder.recommended}, {ladder.reason}"))


def _print_times(console: Console, attempts: list[Attempt]) -> None:
    from rich.text import Text

    timed = [(tries[-1].step, sum(attempt.seconds or 0 for attempt in tries)) for tries in get_phases(attempts)]
    timed = [(step, seconds) for step, seconds in timed if seconds]
    if timed:
        parts = [f"{step} {get_duration(seconds)}" for step, seconds in timed if seconds >= 1]
        parts.append(f"all {get_duration(sum(seconds for _, seconds in timed))} (steps may overlap)")
        console.print()
        console.print(Text("time: " + ", ".join(parts)), style="dim")


def _print_paths(console: Console, run: str, ladder: Ladder | None) -> None:
    from rich.text import Text

    paths = [
        ("demo page", Path("demos") / run / "index.html"),
        ("report", Path("outputs") / run / "report.html"),
        ("roadbook", Path("gaslamp.md")),
    ]
    if ladder:
        paths.append(("the model", Path("outputs") / run / "gguf" / f"model-{ladder.recommended}.gguf"))
    found = [(what, path) for what, path in paths if path.is_file()]
    if found:
        console.print()
        for what, path in found:
            # a path that is cut or wrapped could not be copied
            console.print(Text(f"{what:16} {path}"), soft_wrap=True)


def show_summary(run: str, console: Console) -> None:
    """Print the result of ``run`` in the project of the working directory; what does not exist is left out."""
    from rich.text import Text

    outputs = Path("outputs") / run
    compare = _read(Compare, outputs / "eval" / "compare.json")
    ladder = _read(Ladder, outputs / "gguf" / "ladder.json")
    parity = _read(Parity, outputs / "gguf" / "parity.json")
    bench = _read(Bench, outputs / "gguf" / "bench.json")
    console.print()
    if compare:
        console.print(
            Text(compare.headline), style={"better": "bold green", "worse": "bold red"}.get(compare.verdict, "bold")
        )
        console.print()
    _print_scores(console, compare, ladder, bench)
    if parity:
        console.print(
            Text(f"parity {'passed' if parity.passed else 'NOT passed'}: {parity.summary}"),
            style="" if parity.passed else "bold red",
        )
    _print_times(console, read_attempts(Path("logs/phases.jsonl")))
    _print_paths(console, run, ladder)
    if ladder and parity:
        console.print()
        console.print(Text("next: make deploy    (serves it here; your own data: data.source in config.yaml)"))


def read_last_lines(log: Path, count: int = 12) -> list[str]:
    """The last lines of a log that hold text, each cut at 200 characters; of a progress bar only its last state."""
    if not log.is_file():
        return []
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - 65536))
        text = handle.read().decode("utf-8", errors="replace")
    lines = [line.rstrip().rpartition("\r")[2][:200] for line in text.split("\n")]
    return [line for line in lines if line.strip()][-count:]


def show_failure(run: str, console: Console) -> None:
    """Update progress_log.md; print which steps failed, the end of each log with its path, and how to continue."""
    from rich.text import Text

    phases = Path("logs/phases.jsonl")
    write_progress(phases, Path("progress_log.md"))
    broken = [
        tries[-1]
        for tries in get_phases(read_attempts(phases))
        if tries[-1].status in ("failed", "interrupted", "killed")
    ]
    console.print()
    for attempt in broken:
        reason = f": {' '.join(attempt.error.split())[:300]}" if attempt.error else ""
        console.print(Text(f"{attempt.step} {attempt.status}{reason}"), style="bold red")
        lines = read_last_lines(Path(attempt.log)) if attempt.log else []
        if lines:
            console.print(Text(f"  end of {attempt.log}:"), soft_wrap=True)
        for line in lines:
            console.print(Text(f"    {line}"), style="dim", soft_wrap=True)
    if not broken:
        console.print(Text("The run stopped before a step failed; the message above says why."))
    console.print(
        Text("Fix it and run the same command again: finished steps are kept, training resumes from its checkpoint.")
    )

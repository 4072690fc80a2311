"""What the terminal shows at the end of a run: the figures, the files worth opening, the next command."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from gaslamp.config.yaml_file import read_yaml
from gaslamp.core.attempts import Attempt, get_phases, read_attempts
from gaslamp.core.console import get_duration, get_size
from gaslamp.core.contracts import Artefact, Bench, Card, Compare, Ladder, Parity, Verdict
from gaslamp.core.files import read_json
from gaslamp.core.liveness import read_owner
from gaslamp.core.places import get_data_folder
from gaslamp.core.visible import make_safe_console
from gaslamp.evaluate.unbeaten import NO_TRAINING
from gaslamp.pages.numbers import format_interval, format_value
from gaslamp.report.roadbook.progress import write_progress
from gaslamp.report.sweep.table import print_sweep
from gaslamp.report.tries import print_tries
from gaslamp.train.advice import read_advice

if TYPE_CHECKING:
    from rich.console import Console

SHORT = 0.03
"""Of the time of all steps: a shorter one is not named."""
_File = TypeVar("_File", bound=Artefact)


def read_fact(kind: type[_File], path: Path) -> _File | None:
    """A fact file, or ``None`` when the run has not made it (yet)."""
    return kind.read(path) if path.is_file() else None


def get_console(file: IO[str] | None = None) -> Console:
    """A console at most 80 columns wide, with colour only on a terminal."""

    return make_safe_console(
        file=file, width=min(80, shutil.get_terminal_size((80, 24)).columns), highlight=False, markup=False, emoji=False
    )


@dataclass(frozen=True)
class ScoreRow:
    """One row of the table of scores."""

    name: str
    score: str = ""
    interval: str = ""
    size: str = ""
    same: str = ""
    speed: str = ""
    style: str = ""


def get_comparison_rows(compare: Compare) -> list[ScoreRow]:
    """Base and tuned by the first metric, and its slices."""
    first = compare.metrics[0]
    rows = [
        ScoreRow(name, format_value(score.value, first.unit), format_interval(score, first.unit), style=style)
        for name, score, style in (("base model", first.base, ""), ("tuned model", first.tuned, "bold"))
    ]
    for name, pair in first.slices.items():
        tuned = pair["tuned"]
        rows.append(
            ScoreRow(f"  {name}"[:24], format_value(tuned.value, first.unit), format_interval(tuned, first.unit))
        )
    return rows


def get_level_rows(ladder: Ladder, compare: Compare | None, bench: Bench | None) -> list[ScoreRow]:
    """Every level; above them how they were scored, when that differs from the comparison."""
    rows = []
    if compare:  # the levels are scored on fewer rows, and by another metric where answers cannot be compared
        same, count = ladder.metric == compare.metrics[0].name, ladder.levels[0].score.n
        if not same or count != compare.n:
            metric = "" if same else f", {ladder.metric.replace('_', ' ')}"
            rows.append(ScoreRow(f"files, {count} rows{metric}", style="dim"))
    for level in ladder.levels:
        chosen = level.level == ladder.recommended
        speeds = bench.levels.get(level.level, {}) if bench else {}
        speed = speeds.get("gen_tps", speeds.get("prompt_tps"))  # a model that gives vectors only reads
        rows.append(
            ScoreRow(
                f"{level.level}{' *' if chosen else ''}",
                format_value(level.score.value, ladder.unit),
                format_interval(level.score, ladder.unit),
                get_size(level.size_bytes),
                format_value(level.same_as_f16),
                "" if speed is None else f"{speed:.1f}",
                "green" if chosen else "",
            )
        )
    return rows


def _print_scores(console: Console, compare: Compare | None, ladder: Ladder | None, bench: Bench | None) -> None:
    from rich.table import Table
    from rich.text import Text

    if not compare and not ladder:
        return
    rows = get_comparison_rows(compare) if compare else []
    rows += get_level_rows(ladder, compare, bench) if ladder else []
    if compare and {"base", "tuned"} <= set(compare.retention):
        kept = compare.retention
        rows += [
            ScoreRow(f"general questions, {who}", format_value(kept[who].value), format_interval(kept[who]))
            for who in ("base", "tuned")
        ]
    if compare:
        console.print(Text(f"{compare.metrics[0].title}, {compare.n} test rows"), style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("", "score", "interval", "size", "same as f16", *(["tokens/s"] if bench else [])):
        table.add_column(column, justify="left" if not column else "right", no_wrap=bool(column))
    for row in rows:
        cells = (row.score, row.interval, row.size, row.same, *([row.speed] if bench else []))
        table.add_row(Text(row.name), *cells, style=row.style)
    console.print(table)
    if ladder:
        console.print(Text(f"* recommended: {ladder.recommended}, {ladder.reason}"))


def _print_times(console: Console, attempts: list[Attempt]) -> None:
    from rich.text import Text

    timed = [(tries[-1].step, sum(attempt.seconds or 0 for attempt in tries)) for tries in get_phases(attempts)]
    timed = [(step, seconds) for step, seconds in timed if seconds]
    if timed:
        console.print()
        console.print(Text(describe_times(timed)), style="dim")


def describe_times(timed: list[tuple[str, float]]) -> str:
    """Steps and their seconds in one line: the longest first, those below ``SHORT`` of the whole together."""
    whole = sum(seconds for _, seconds in timed)
    ranked = sorted(timed, key=lambda pair: -pair[1])
    long, rest = [[pair for pair in ranked if (pair[1] >= SHORT * whole) is is_long] for is_long in (True, False)]
    parts = [f"{step} {get_duration(seconds)}" for step, seconds in long]
    if rest:
        steps = f"{len(rest)} shorter steps" if len(rest) > 1 else rest[0][0]
        parts.append(f"{steps} {get_duration(sum(seconds for _, seconds in rest))}")
    return f"time: {', '.join(parts)}; all {get_duration(whole)} (steps may overlap)"


def get_paths(run: str, ladder: Ladder | None) -> list[tuple[str, Path]]:
    """What a run left that is worth opening, and where: name and path, of what is there."""
    outputs = Path("outputs") / run
    paths = [
        ("demo page", Path("demos") / run / "index.html"),
        ("report", outputs / "report.html"),
        ("sweep", Path("outputs/sweep.html")),
        ("roadbook", Path("gaslamp.md")),
        ("the model", outputs / "gguf" / f"model-{ladder.recommended}.gguf" if ladder else outputs / "merged"),
    ]
    return [(what, path) for what, path in paths if path.exists()]


def _print_paths(console: Console, run: str, ladder: Ladder | None) -> None:
    from rich.text import Text

    found = get_paths(run, ladder)
    if found:
        console.print()
        for what, path in found:
            # a path that is cut or wrapped could not be copied
            console.print(Text(f"{what:16} {path}"), soft_wrap=True)


def _print_advice(console: Console, run: str) -> None:
    """What to try, with the number that ``make try`` takes."""
    from rich.text import Text

    for number, one in enumerate(read_advice(Path(), run), 1):
        how = f" (make try N={number})" if one.remedy.changes else ""
        console.print(Text(f"try {number}: {one.text}{how}"), soft_wrap=True)


def is_outdated(run: str, root: Path = Path()) -> bool:
    """Whether the data was prepared again, for other rows or another base model, after ``run`` was evaluated."""
    result, card = root / "outputs" / run / "eval" / "compare.json", get_data_folder(run, root) / "card.json"
    return result.is_file() and card.is_file() and card.stat().st_mtime > result.stat().st_mtime + 1


def show_summary(run: str, console: Console, is_next_shown: bool = True) -> None:
    """Print the result of ``run`` in the project of the working directory; what does not exist is left out.

    Args:
        run: name of the run.
        console: where to print.
        is_next_shown: whether the next command is printed: make deploy.
    """
    from rich.text import Text

    outputs = Path("outputs") / run
    compare = read_fact(Compare, outputs / "eval" / "compare.json")
    ladder = read_fact(Ladder, outputs / "gguf" / "ladder.json")
    parity = read_fact(Parity, outputs / "gguf" / "parity.json")
    bench = read_fact(Bench, outputs / "gguf" / "bench.json")
    gate = outputs / "eval" / "verdict.json"
    warnings = Verdict.model_validate(read_json(gate)).warnings if gate.is_file() else []
    console.print()
    if is_outdated(run):
        console.print(Text(f"The results of {run} are older than its data: make run brings them up to date."))
        return
    if compare:
        console.print(
            Text(compare.headline), style={"better": "bold green", "worse": "bold red"}.get(compare.verdict, "bold")
        )
        for warning in warnings:
            if not warning.endswith(NO_TRAINING):  # the headline says it
                console.print(Text(f"! {warning}"), style="yellow")
        console.print()
    _print_scores(console, compare, ladder, bench)
    if parity:
        console.print(
            Text(f"parity {'passed' if parity.passed else 'NOT passed'}: {parity.summary}"),
            style="" if parity.passed else "bold red",
        )
    print_sweep(console, run)
    print_tries(console, Path("outputs"), run)
    _print_advice(console, run)
    _print_times(console, read_attempts(Path("logs/phases.jsonl")))
    _print_paths(console, run, ladder)
    if ladder and parity and is_next_shown:
        console.print()
        card = read_fact(Card, get_data_folder(run) / "card.json")
        own = "; your own data: data.source in config.yaml" if card and card.source.startswith("embedded:") else ""
        console.print(Text(f"next: make deploy    (serves it here{own})"))


def read_last_lines(log: Path, count: int = 12, width: int = 200) -> list[str]:
    """The last lines of a log that hold text, each cut at ``width`` characters; of a progress bar its last state."""
    if not log.is_file():
        return []
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - 65536))
        text = handle.read().decode("utf-8", errors="replace")
    lines = [line.rstrip().rpartition("\r")[2][:width] for line in text.split("\n")]
    return [line for line in lines if line.strip()][-count:]


def show_failure(run: str, console: Console, command: str = "run") -> bool:
    """Update progress_log.md; print which steps failed, the end of each log with its path, and how to continue.

    Of a run that a person stopped, two lines: what is kept, and the command that goes on.

    Args:
        run: its name.
        console: where to.
        command: target of the Makefile that was stopped.

    Returns:
        Whether a person stopped it.
    """
    from rich.text import Text

    phases = Path("logs/phases.jsonl")
    write_progress(phases, Path("progress_log.md"))
    last = [tries[-1] for tries in get_phases(read_attempts(phases))]
    if stopped := find_stopped(last, read_owner(Path())):
        kept = [f"{sum(attempt.status == 'ok' for attempt in last)} finished steps"]
        kept += [attempt.error for attempt in stopped if attempt.error]
        names = ", ".join(attempt.step for attempt in stopped)
        own = str(read_yaml(Path("config.yaml")).get("run") or "main")
        named = "" if run == own else f" RUN={run}"
        console.print(Text(f"stopped in {names}; kept: {'; '.join(kept)}"), soft_wrap=True)
        console.print(Text(f"Run the same command again to go on: make {command}{named}"), soft_wrap=True)
        return True
    broken = [attempt for attempt in last if attempt.status in ("failed", "interrupted", "killed")]
    console.print()
    for attempt in broken:
        reason = f": {' '.join(attempt.error.split())[:300]}" if attempt.error else ""
        console.print(Text(f"{attempt.step} {attempt.status}{reason}"), style="bold red")
        lines = read_last_lines(Path(attempt.log)) if attempt.log else []
        if lines:
            console.print(Text(f"  end of {attempt.log}:"), soft_wrap=True)
        for line in lines:
            console.print(Text(f"    {line}"), style="dim", soft_wrap=True)
    _print_advice(console, run)
    if not broken:
        console.print(Text("The run stopped before a step failed; the message above says why."))
    console.print(
        Text("Fix it and run the same command again: finished steps are kept, training resumes from its checkpoint.")
    )
    return False


def find_stopped(last: list[Attempt], owner: tuple[int, float] | None) -> list[Attempt]:
    """The steps that a person stopped in this run; none when a step of it failed.

    Args:
        last: the last attempt of each step.
        owner: process and start (Unix time) of the run.
    """
    begun = owner[1] if owner else 0.0
    own = [one for one in last if datetime.fromisoformat(one.started).timestamp() >= int(begun) and one.status != "ok"]
    return own if all(one.status == "interrupted" for one in own) else []

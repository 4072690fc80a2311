"""The dashboard in a terminal: the same files, the same panels, over SSH and without colour."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.core.console import get_duration
from gaslamp.report.dashboard.panels import Panel, get_family, get_panels
from gaslamp.report.dashboard.project import Project, get_brief, get_head
from gaslamp.report.dashboard.trainings import Training

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EVERY = 1.0  # seconds between two looks
COLORS = ("blue+", "orange+", "green+", "magenta+")
MARKERS = ("braille", "x", "o", "+")  # where there is no colour, the curves differ by these
STATES = {
    "done": ("✓", "green"),
    "running": ("▸", "bold blue"),
    "failed": ("✕", "bold red"),
    "interrupted": ("‖", "yellow"),
    "waiting": ("○", "dim"),
}
STATUS = {
    "training": "bold blue",
    "completed": "green",
    "interrupted": "yellow",
    "error": "bold red",
    "killed": "bold red",
}
WORDS = {"error": "failed"}


def get_console(**options: Any) -> Console:
    """A rich console; NO_COLOR and pipes are respected by rich itself."""
    from rich.console import Console

    return Console(highlight=False, **options)


def clean(text: Any) -> str:
    """Text that cannot steer a terminal: control characters become visible."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in str(text))


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


# ------------------------------------------------------------------------------------------------------------- curves


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
        form = "ema" if panel.smooth and len(series.steps) > 30 and curve.name != "valid_loss" else "raw"
        steps, values = series.get_points(limit)[form]
        known = [(step, value) for step, value in zip(steps, values, strict=True) if value is not None]
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
    """Two charts, four for methods that compare answers: what tells most about the task comes first."""
    panels = get_panels(training)
    first = {
        "dpo": ("loss", "preference", "margin", "accuracy"),
        "kto": ("loss", "preference", "margin", "kl"),
        "grpo": ("reward", "kl", "length", "loss"),
        "reward": ("loss", "rm_accuracy", "rm_margin", "rm_range"),
    }.get(get_family(training.method), ("loss", "grad_norm"))
    by_id = {panel.id: panel for panel in panels}
    chosen = [by_id[name] for name in first if name in by_id]
    return (chosen + [panel for panel in panels if panel not in chosen])[: len(first)]


# ------------------------------------------------------------------------------------------------------------- screen


def _bar(done: float, total: float, width: int) -> str:
    share = min(1.0, max(0.0, done / total)) if total else 0.0
    full = round(share * width)
    return "█" * full + "░" * (width - full)


def get_lines(training: Training, width: int) -> list[Any]:
    """Headline, bars and figures of a training, as rich texts."""
    from rich.text import Text

    head = get_head(training)
    word = WORDS.get(head["status"], head["status"])
    title = Text.assemble(
        (clean(head["run"]), "bold"), f"  {head['method']} ({head['task']})  ", (word, STATUS.get(head["status"], ""))
    )
    lines: list[Any] = [title]
    room = max(10, min(50, width - 40))
    lines.append(
        Text(f"steps  {_bar(head['step'], head['max_steps'], room)} {head['step']:,} of {head['max_steps']:,}")
    )
    if head["epochs"]:
        lines.append(
            Text(
                f"epochs {_bar(head['epoch'] or 0, head['epochs'], room)} {head['epoch'] or 0:.2f} of {head['epochs']:g}"
            )
        )
    now, first = head["now"], head["first"]
    parts = [f"loss {_number(first.get('loss'))} → {_number(now.get('loss'))}"]
    if "valid_loss" in now:
        parts.append(f"validation {_number(now['valid_loss'])}")
    if "reward" in now:
        parts.append(f"reward {_number(first.get('reward'))} → {_number(now['reward'])}")
    if head["live"] and head["remaining"] is not None:
        parts.append(f"{get_duration(head['remaining'])} left")
    parts.append(f"{get_duration(head['elapsed'])} so far" if head["live"] else f"took {get_duration(head['elapsed'])}")
    if head["tokens_per_second"]:
        parts.append(f"{head['tokens_per_second']:,.0f} tokens/s")
    if head["memory"]["peak"] is not None:
        parts.append(f"memory {_get_gauge(head['memory']['peak'])}")
    parts.append(f"gradient {_number(now.get('grad_norm'))}")
    lines.append(Text(" · ".join(parts)))
    if head["reason"]:
        lines.append(Text(clean(head["reason"])[:500], style=STATUS.get(head["status"], "")))
    return lines


def _get_gauge(peak: float) -> str:
    import psutil

    total = psutil.virtual_memory().total / 1e9
    return f"{_bar(peak, total, 8)} {peak:.1f} of {total:.1f} GB"


def get_phase_lines(project: Project, width: int, short: bool = False) -> list[Any]:
    """All phases of the graph with their signs and times, in lines of ``width``; ``short``: those at work, and how many are done."""
    from rich.text import Text

    phases = project.get_phases()
    items = [Text(f"{sum(phase['state'] == 'done' for phase in phases)} of {len(phases)} phases done")] if short else []
    for phase in phases:
        if short and phase["state"] in ("done", "waiting"):
            continue
        sign, style = STATES.get(phase["state"], ("·", ""))
        seconds = f" {get_duration(phase['seconds'])}" if phase["seconds"] is not None and phase["seconds"] >= 1 else ""
        items.append(Text(f"{sign} {clean(phase['title'])}{seconds}"[:width], style=style))
    lines = [Text()]
    for item in items:
        if lines[-1].plain and len(lines[-1].plain) + 3 + len(item.plain) > width:
            lines.append(Text())
        if lines[-1].plain:
            lines[-1].append("   ")
        lines[-1].append_text(item)
    return lines


def get_screen(project: Project, run: str | None, width: int, height: int, colors: bool) -> RenderableType:
    """Everything, fitted to ``width`` x ``height`` cells."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    training = project.metrics.find(run)
    phases = get_phase_lines(project, width, short=0 < height < 36 or width < 80)
    if training is None:
        return Group(
            Text(clean(project.get_name()), style="bold"),
            Text("no training has logged a step yet; waiting (Ctrl-C ends this screen, not the run)"),
            Text(),
            *phases,
        )
    lines = get_lines(training, width)
    panels = choose_panels(training)
    used = sum(max(1, -(-len(line.plain) // width)) for line in [*lines, *phases]) + 5
    columns = 2 if width >= 80 and len(panels) > 1 else 1
    rows = -(-len(panels) // columns)
    free = max(0, height - used)
    while rows > 1 and free // rows < 8:  # a small window: fewer charts, not unreadable ones
        rows -= 1
    panels = panels[: rows * columns]
    each = max(8, free // max(1, rows) - 2)
    grid = Table.grid(padding=(0, 1))
    cell = width // columns - 2
    if free >= 8:
        for row in range(rows):
            cells = []
            for panel in panels[row * columns : (row + 1) * columns]:
                chart = Text.from_ansi(draw_panel(training, panel, cell, each, colors))
                level = panel.hint.get("level", "")
                style = {"ok": "green", "watch": "yellow", "bad": "bold red"}.get(level, "dim")
                hint = Text(clean(panel.hint.get("text", ""))[:cell], style=style, no_wrap=True)
                cells.append(Group(chart, hint))
            grid.add_row(*cells)
    return Group(*lines, Text(), grid, *phases)


def watch(root: Path, run: str | None, console: Console | None = None, until: float | None = None) -> int:
    """Live until Ctrl-C; the exit code is 0. ``until`` (a monotonic time) ends it by itself."""
    from rich.live import Live

    console = console or get_console()
    project = Project(root)
    project.metrics.read_all()

    def get() -> RenderableType:
        colors = not console.no_color and console.color_system is not None
        return get_screen(project, run, console.width, console.height, colors)

    try:
        with Live(get(), console=console, screen=console.is_terminal, auto_refresh=False, transient=False) as live:
            size = console.size
            while until is None or time.monotonic() < until:
                time.sleep(EVERY if size == console.size else 0.1)
                size = console.size
                project.metrics.poll()
                live.update(get(), refresh=True)
    except KeyboardInterrupt:
        pass
    console.print(get_screen(project, run, console.width, 0, False))
    return 0


def show_status(root: Path, run: str | None, console: Console | None = None) -> int:
    """One look at the newest training and the phases. Returns 0 while something runs, 1 when nothing does."""
    from rich.text import Text

    console = console or get_console()
    project = Project(root)
    project.metrics.read_all()
    running = project.is_running()
    training = project.metrics.find(run)
    live = training is not None and training.get_status()[0] == "training"
    if not running and not live:
        if training is None:
            console.print(
                Text(
                    f"nothing runs{f' under the name {clean(run)}' if run else ''}, and no training has logged a step yet: make run"
                )
            )
        else:
            brief = get_brief(training)
            word = WORDS.get(brief["status"], brief["status"])
            ended = time.strftime("%Y-%m-%d %H:%M", time.localtime(training.last_time))
            console.print(
                Text(
                    f"nothing runs. Last training: {clean(brief['run'])}, {word} at step {brief['step']:,} of {brief['max_steps']:,}, {ended}, loss {_number(brief['loss'])}"
                )
            )
            if brief["reason"]:
                console.print(Text(clean(brief["reason"])[:500]))
        for phase in project.get_phases():
            if phase["state"] in ("failed", "interrupted"):
                console.print(Text(f"{phase['title']} {phase['state']}: {clean(phase['reason'])[:300]}"))
        return 1
    if training is not None and live:
        for line in get_lines(training, console.width):
            console.print(line)
        for name, text in (training.start.get("chosen") or {}).items():
            console.print(Text(f"chosen, as config.yaml leaves it open: {clean(name)} {clean(text)}"))
        for panel in get_panels(training):
            if panel.hint.get("level") in ("watch", "bad"):
                console.print(Text(f"look at {panel.title.lower()}: {clean(panel.hint['text'])}", style="yellow"))
    for line in get_phase_lines(project, console.width):
        console.print(line)
    return 0

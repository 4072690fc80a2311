"""The screen of the terminal dashboard, fitted to a window of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gaslamp.core.console import get_duration
from gaslamp.report.dashboard.charts import choose_panels, clean, draw_panel
from gaslamp.report.dashboard.project import Project
from gaslamp.report.dashboard.snapshot import get_head
from gaslamp.report.dashboard.trainings import Training

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

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


def show_number(value: object) -> str:
    """A figure with four digits, or with thousands separators for a whole number; a dash where there is none."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _bar(done: float, total: float, width: int) -> str:
    share = min(1.0, max(0.0, done / total)) if total else 0.0
    full = round(share * width)
    return "█" * full + "░" * (width - full)


def get_lines(training: Training, width: int) -> list[Text]:
    """Headline, bars and figures of a training, as rich texts."""
    from rich.text import Text

    head = get_head(training)
    word = WORDS.get(head["status"], head["status"])
    title = Text.assemble(
        (clean(head["run"]), "bold"), f"  {head['method']} ({head['task']})  ", (word, STATUS.get(head["status"], ""))
    )
    lines: list[Text] = [title]
    room = max(10, min(50, width - 40))
    lines.append(
        Text(f"steps  {_bar(head['step'], head['max_steps'], room)} {head['step']:,} of {head['max_steps']:,}")
    )
    epoch = head["epoch"] or 0
    if head["epochs"]:
        lines.append(Text(f"epochs {_bar(epoch, head['epochs'], room)} {epoch:.2f} of {head['epochs']:g}"))
    now, first = head["now"], head["first"]
    smoothed = head["smoothed"]
    parts = [f"smoothed loss {show_number(first.get('loss'))} → {show_number(smoothed.get('loss'))}"]
    if "valid_loss" in now:
        parts.append(f"validation {show_number(now['valid_loss'])}")
    if "reward" in now:
        parts.append(f"reward {show_number(first.get('reward'))} → {show_number(smoothed['reward'])}")
    if head["live"] and head["remaining"] is not None:
        parts.append(f"{get_duration(head['remaining'])} left")
    parts.append(f"{get_duration(head['elapsed'])} so far" if head["live"] else f"took {get_duration(head['elapsed'])}")
    if head["tokens_per_second"]:
        parts.append(f"{head['tokens_per_second']:,.0f} tokens/s")
    if head["memory"]["peak"] is not None:
        peak = head["memory"]["peak"]
        parts.append(f"memory {peak:.1f} GB there" if training.start.get("remote") else f"memory {_get_gauge(peak)}")
    parts.append(f"gradient {show_number(now.get('grad_norm'))}")
    lines.append(Text(" · ".join(parts)))
    if head["reason"]:
        lines.append(Text(clean(head["reason"])[:500], style=STATUS.get(head["status"], "")))
    return lines


def _get_gauge(peak: float) -> str:
    import psutil

    total = psutil.virtual_memory().total / 1e9
    return f"{_bar(peak, total, 8)} {peak:.1f} of {total:.1f} GB"


def get_phase_lines(project: Project, width: int, short: bool = False) -> list[Text]:
    """The phases of the graph with their signs and times.

    Args:
        project: the project.
        width: columns of a line.
        short: list only phases that run or failed, and count those that are done.
    """
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
    if training.start.get("remote") and (place := project.get_elsewhere()):
        lines.insert(1, Text(f"trains on {clean(place)}"[:width], style="dim"))
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
                level = panel.hint.level
                style = {"ok": "green", "watch": "yellow", "bad": "bold red"}.get(level, "dim")
                hint = Text(clean(panel.hint.text)[:cell], style=style, no_wrap=True)
                cells.append(Group(chart, hint))
            grid.add_row(*cells)
    return Group(*lines, Text(), grid, *phases)

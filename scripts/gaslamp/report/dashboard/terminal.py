"""The dashboard in a terminal: the same files and panels as the web page, over SSH and without colour."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.report.dashboard.charts import clean
from gaslamp.report.dashboard.panels import get_panels
from gaslamp.report.dashboard.project import Project
from gaslamp.report.dashboard.screen import WORDS, get_lines, get_phase_lines, get_screen, show_number
from gaslamp.report.dashboard.snapshot import get_brief

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EVERY = 1.0  # seconds between two looks at the files


def get_console() -> Console:
    """A rich console; rich itself respects NO_COLOR and pipes."""
    from rich.console import Console

    return Console(highlight=False)


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
                    f"nothing runs{f' under the name {clean(run)}' if run else ''}, and no training has logged a step "
                    "yet: make run"
                )
            )
        else:
            brief = get_brief(training)
            word = WORDS.get(brief["status"], brief["status"])
            ended = time.strftime("%Y-%m-%d %H:%M", time.localtime(training.last_time))
            console.print(
                Text(
                    f"nothing runs. Last training: {clean(brief['run'])}, {word} at step {brief['step']:,} of "
                    f"{brief['max_steps']:,}, {ended}, loss {show_number(brief['loss'])}"
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
            console.print(Text(f"chosen automatically (open in config.yaml): {clean(name)} {clean(text)}"))
        for panel in get_panels(training):
            if panel.hint.level in ("watch", "bad"):
                console.print(Text(f"check {panel.title.lower()}: {clean(panel.hint.text)}", style="yellow"))
    for line in get_phase_lines(project, console.width):
        console.print(line)
    return 0

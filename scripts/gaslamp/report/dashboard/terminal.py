"""The dashboard in a terminal: the same files and panels as the web page, over SSH and without colour."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.visible import make_safe_console
from gaslamp.export.llamacpp.background import SERVED, read_state
from gaslamp.report.dashboard.charts import clean
from gaslamp.report.dashboard.outcome import get_next, list_stopped
from gaslamp.report.dashboard.project import Project
from gaslamp.report.dashboard.screen import WORDS, get_lines, get_phase_lines, get_screen, show_number
from gaslamp.report.dashboard.snapshot import get_brief
from gaslamp.report.dashboard.trainings import Training
from gaslamp.train.advice import read_advice

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EVERY = 1.0  # seconds between two looks at the files


def get_console() -> Console:
    """A rich console; rich itself respects NO_COLOR and pipes."""

    return make_safe_console(highlight=False)


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


def show_status(root: Path, run: str | None, console: Console | None = None, needs_run: bool = False) -> int:
    """One look: the training and the phases while a run is going on, else how the last one ended and what to do next.

    Args:
        root: the project folder.
        run: name of the run; ``None``: the newest.
        console: where to print.
        needs_run: for scripts: the exit code says whether a run is going on.

    Returns:
        The exit code: 0, and with ``needs_run`` 1 when no run is going on.
    """
    from rich.text import Text

    console = console or get_console()
    project = Project(root)
    project.metrics.read_all()
    training = project.metrics.find(run)
    live = training is not None and training.get_status()[0] == "training"
    is_running = live or project.is_running()
    if is_running:
        if training is not None and live:
            for line in get_lines(training, console.width):
                console.print(line)
            for name, text in (training.start.get("chosen") or {}).items():
                console.print(Text(f"chosen automatically (open in config.yaml): {clean(name)} {clean(text)}"))
            for finding in training.get_findings():
                tries = "".join(f"; try: {remedy.text}" for remedy in finding.remedies[:1])
                console.print(Text(clean(finding.text + tries), style="yellow"))
        for line in get_phase_lines(project, console.width):
            console.print(line)
    else:
        for text in get_idle_lines(project, training, run):
            console.print(Text(text), soft_wrap=True)
    if place := project.get_elsewhere():
        console.print(Text(f"trains on {clean(place)} (make remote-status, make remote-stop)"), soft_wrap=True)
    served = read_state(root / SERVED)
    if served:
        console.print(Text(f"served: {served['alias']} at {served['url']} (make chat, make stop)"), soft_wrap=True)
    return 0 if is_running or not needs_run else 1


def get_idle_lines(project: Project, training: Training | None, run: str | None) -> list[str]:
    """What to say while no run is going on: how the last one ended, and the next command."""
    lines = []
    if training is None:
        known = ", ".join(dict.fromkeys(clean(get_brief(one)["run"]) for one in project.metrics.sort()[:8]))
        named = f" There is no run {clean(run)}" + (f"; known: {known}." if known else ".") if run else ""
        lines.append(f"No run is going on, and no training has logged a step yet.{named}")
    else:
        brief = get_brief(training)
        word = WORDS.get(brief["status"], brief["status"])
        ended = time.strftime("%Y-%m-%d %H:%M", time.localtime(training.last_time))
        lines.append(
            f"No run is going on. Last training: {clean(brief['run'])}, {word} at step {brief['step']:,} of "
            f"{brief['max_steps']:,}, {ended}, smoothed loss {show_number(brief['loss'])}"
        )
        if brief["reason"]:
            lines.append(clean(brief["reason"])[:500])
        advice = read_advice(project.root, brief["run"])
        lines += [f"try {number}: {one.text} (make try)" for number, one in enumerate(advice, 1)]
    lines += [f"{phase['title']} {phase['state']}: {clean(phase['reason'])[:300]}" for phase in list_stopped(project)]
    name = run or (training.run if training else "main")
    lines.append(f"next: {get_next(project, name, begun=training is not None)}")
    return lines

"""progress_log.md: every phase with its times and attempts, failures included, from ``logs/phases.jsonl``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gaslamp.core.console import get_duration
from gaslamp.core.files import read_jsonl, write_text
from gaslamp.core.liveness import is_alive
from gaslamp.pages.markdown import escape_cell


@dataclass
class Attempt:
    """One start of a step and its status: ok, failed, interrupted, killed or running."""

    step: str
    pid: int
    started: str
    status: str
    seconds: float | None = None
    peak_memory_gb: float | None = None
    error: str = ""
    log: str = ""


def read_attempts(path: Path) -> list[Attempt]:
    """The attempts in ``logs/phases.jsonl`` in the order of their starts, without the one of this process."""
    if not path.is_file():
        return []
    attempts: list[Attempt] = []
    for event in read_jsonl(path):
        if event["event"] == "start":
            attempts.append(Attempt(event["step"], event["pid"], event["time"], "", log=event.get("log") or ""))
            continue
        opened = (
            attempt
            for attempt in reversed(attempts)
            if (attempt.step, attempt.pid, attempt.status) == (event["step"], event["pid"], "")
        )
        if attempt := next(opened, None):
            attempt.status, attempt.seconds, attempt.peak_memory_gb = (
                event["status"],
                event.get("seconds"),
                event.get("peak_memory_gb"),
            )
            attempt.error = event.get("error") or ""
    for attempt in attempts:
        if not attempt.status:
            attempt.status = "running" if is_alive(attempt.pid, _seconds(attempt.started)) else "killed"
    return [attempt for attempt in attempts if not (attempt.pid == os.getpid() and attempt.status == "running")]


def get_phases(attempts: list[Attempt]) -> list[list[Attempt]]:
    """For each step its last attempt and those before it that did not finish, oldest first; steps by first start."""
    by_step: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        earlier = by_step.setdefault(attempt.step, [])
        if earlier and earlier[-1].status == "ok":
            earlier.clear()  # the step finished and ran again since
        earlier.append(attempt)
    return list(by_step.values())


def _seconds(time: str) -> float:
    """Unix time of a time in ISO format."""
    return datetime.fromisoformat(time).timestamp()


def _time(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")


def render_progress(attempts: list[Attempt]) -> str:
    """The progress log as Markdown: one row for each step, then every attempt that failed or was interrupted."""
    lines = ["# Progress", ""]
    if not attempts:
        return "\n".join([*lines, "No step has run yet."]) + "\n"
    lines += ["| Step | Status | Last start | Time | Attempts | Peak memory |", "|---|---|---|---|---|---|"]
    for tries in get_phases(attempts):
        last = tries[-1]
        cells: list[object] = [last.step, last.status, _time(last.started)]
        cells += ["not recorded" if last.seconds is None else get_duration(last.seconds), len(tries)]
        cells += ["not recorded" if last.peak_memory_gb is None else f"{last.peak_memory_gb:.1f} GB"]
        lines.append("| " + " | ".join(escape_cell(cell) for cell in cells) + " |")
    total = sum(attempt.seconds or 0 for attempt in attempts)
    lines += ["", f"Work recorded: {get_duration(total)} over {len(attempts)} starts (steps may overlap)."]
    if broken := [attempt for attempt in attempts if attempt.status not in ("ok", "running")]:
        lines += [
            "",
            "## Failed and interrupted attempts",
            "",
            "| Step | Started | Status | Reason |",
            "|---|---|---|---|",
        ]
        for attempt in broken:
            why = attempt.error or (
                "its process ended without logging an end" if attempt.status == "killed" else "no reason recorded"
            )
            cells = [attempt.step, _time(attempt.started), attempt.status, why]
            lines.append("| " + " | ".join(escape_cell(cell) for cell in cells) + " |")
        lines += [
            "",
            "The same command continues: finished steps are kept, training resumes from its newest checkpoint.",
        ]
    return "\n".join(lines) + "\n"


def write_progress(phases: Path, out: Path) -> None:
    """Write the progress log to ``out``, from the file ``phases`` (logs/phases.jsonl)."""
    write_text(out, render_progress(read_attempts(phases)))

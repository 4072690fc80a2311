"""progress_log.md: every phase with its times and attempts, failures included, from ``logs/phases.jsonl``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from gaslamp.core.attempts import Attempt, get_phases, read_attempts
from gaslamp.core.console import get_duration
from gaslamp.core.files import write_text
from gaslamp.pages.markdown import escape_cell


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

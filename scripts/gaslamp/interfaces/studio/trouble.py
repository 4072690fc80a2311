"""Why a project does not go on: the last job, and the last start of each step, with the end of its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gaslamp.core.attempts import get_phases
from gaslamp.core.files import JsonObject
from gaslamp.interfaces.studio.jobs import Job
from gaslamp.report.dashboard.project import Project
from gaslamp.report.summary import read_last_lines

LOG_LINES = 14
ERROR_LINES = 120  # of an error with its fix, which is shown whole
LONGEST_LINE = 2000  # letters
NAMES = {
    "data": "the look at the data",
    "run": "the run",
    "try": "the try",
    "deploy": "the start of the chat",
    "generate": "the writing of rows",
}


@dataclass(frozen=True)
class Trouble:
    """Why something stopped.

    Attributes:
        title: a sentence without a full stop.
        lines: the end of the log, which ends with the fix.
        log: its path in the project.
        was_stopped: the person did it: no error.
        allows: config keys whose values let it pass: rows are left out, or a gate of the evaluation only warns.
    """

    title: str
    lines: list[str]
    log: str
    was_stopped: bool = False
    allows: JsonObject = field(default_factory=dict)

    @property
    def is_held(self) -> bool:
        """Whether nothing broke: the evaluation keeps a model back that is not good enough."""
        return any(key.startswith("eval.") for key in self.allows)


def find_trouble(project: Project, job: Job | None, is_done: bool) -> Trouble | None:
    """What stopped last, from the record of the job and of each step; None when nothing did.

    A step that a later run (at a terminal too) took again counts as that run left it.
    """
    attempts = project.get_attempts()
    broken = [tries[-1] for tries in get_phases(attempts) if tries[-1].status in ("failed", "interrupted", "killed")]
    was_stopped = bool(job and job.stopped)
    if job and job.code == 0 and not broken:
        return None
    newest = max((_get_time(attempt.started) for attempt in attempts), default=0.0)
    if broken and not (is_done and job and job.code == 0):
        last = broken[-1]
        was_ours = job is not None and (job.ended is None or _get_time(last.started) <= job.ended)
        if was_stopped and was_ours and last.status != "failed":
            return Trouble("Stopped: what is done is kept", [], last.log, was_stopped=True)
        reason = last.error or ("its process is gone" if last.status == "killed" else last.status)
        lines = read_end(project.root / last.log) if last.log else []
        return Trouble(_first_line(reason), lines, last.log, allows=last.allows)
    if job is None or job.running or newest > (job.ended or newest):
        return None
    if was_stopped:
        return Trouble("Stopped: what is done is kept", [], str(job.log), was_stopped=True)
    if job.code:
        lines = read_end(project.root / job.log)
        cause = next((line for line in lines if line.startswith("error: ")), "")
        title = cause.removeprefix("error: ") or f"{NAMES[job.action]} ended with an error"
        return Trouble(title, lines, str(job.log))
    if job.code is None and not (is_done or job.action == "data" and (project.root / "data/report.html").is_file()):
        lines = read_last_lines(project.root / job.log, LOG_LINES)
        return Trouble(f"{NAMES[job.action]} ended while nobody looked", lines, str(job.log))
    return None


def read_end(log: Path) -> list[str]:
    """The end of a log: from its last error on, so that cause and fix are whole, else its last lines."""
    lines = read_last_lines(log, ERROR_LINES, LONGEST_LINE)
    begin = max((number for number, line in enumerate(lines) if line.startswith("error: ")), default=None)
    return lines[-LOG_LINES:] if begin is None else lines[begin:]


def _first_line(text: str) -> str:
    first = (text.strip().splitlines() or [""])[0].removeprefix("error: ")
    return first if len(first) <= 400 else f"{first[:400].rpartition(' ')[0] or first[:400]} ..."


def _get_time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

"""Snakemake's lock of a project: released when the process that held it was killed, never while it runs."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from gaslamp.core.files import read_json, write_json
from gaslamp.core.liveness import is_alive

OWNER = Path(".snakemake") / "gaslamp_owner.json"


def claim(project: Path) -> None:
    """Record that this process runs the workflow in ``project``."""
    import psutil

    write_json(project / OWNER, {"pid": os.getpid(), "started": psutil.Process().create_time()})


def release_stale_lock(project: Path) -> bool:
    """Remove Snakemake's lock files when the process that claimed the run is gone; return whether there were any.

    A kill -9 leaves the locks behind and Snakemake then asks for ``--unlock``; with this the same command resumes.
    """
    locks = list((project / ".snakemake" / "locks").glob("*.lock"))
    owner = project / OWNER
    if not locks or not owner.is_file():
        return False
    facts = read_json(owner)
    if facts["pid"] == os.getpid() or is_alive(facts["pid"], facts["started"]):
        return False
    for file in locks:
        file.unlink(missing_ok=True)
    return True


def is_locked(project: Path) -> bool:
    """Whether a run works in ``project``; call ``release_stale_lock`` first."""
    return any((project / ".snakemake" / "locks").glob("*.lock"))


WITHOUT_JOBS = (
    *("--dry-run", "--dryrun", "--lint", "--dag", "--rulegraph", "--filegraph", "--summary", "--detailed-summary"),
    *("--list", "--list-rules", "--list-changes", "--unlock", "--report", "--archive", "--cleanup-metadata"),
)


def runs_jobs(arguments: Sequence[str]) -> bool:
    """Whether a command line of Snakemake runs jobs: Snakemake does not know yet while the Snakefile is read."""
    short = [each for each in arguments if each.startswith("-") and not each.startswith("--")]
    return not (
        set(WITHOUT_JOBS) & set(arguments) or any(re.fullmatch("-[npqFfkR]*n[npqFfkR]*", each) for each in short)
    )


def silence_snakemake() -> None:
    """Keep Snakemake's progress and errors on the terminal, without a line for every start and end of a job.

    Its own log file in .snakemake/log keeps those lines; each step prints its own progress.
    """

    def is_shown(record: logging.LogRecord) -> bool:
        event = getattr(record, "event", None)
        return event not in ("job_started", "job_finished") and not record.getMessage().startswith(
            ("Select jobs", "Execute ")
        )

    for handler in logging.getLogger("snakemake.logging").handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(is_shown)


def find_owner(project: Path) -> Callable[[], bool]:
    """A cheap check for a long step: whether the Snakemake that started it is gone. Never true when started by hand."""
    import psutil

    owner = project / OWNER
    if not owner.is_file():
        return lambda: False
    facts = read_json(owner)
    if facts["pid"] not in [process.pid for process in psutil.Process().parents()]:
        return lambda: False
    return lambda: not is_alive(facts["pid"], facts["started"])

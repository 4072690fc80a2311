"""The lock of a run: released when the Snakemake that held it was killed, never while it lives."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from gaslamp.core.files import read_json, write_json

OWNER = Path(".snakemake") / "gaslamp_owner.json"


def _is_alive(pid: int, started: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def claim(project: Path) -> None:
    """Note that this process runs the workflow in ``project``."""
    import psutil

    write_json(project / OWNER, {"pid": os.getpid(), "started": psutil.Process().create_time()})


def release_stale_lock(project: Path) -> bool:
    """Remove Snakemake's lock files when the process that claimed the run is gone; tell whether there was one.

    A kill -9 leaves the locks behind and Snakemake then wants ``--unlock``; with this the same command just goes on.
    """
    locks = list((project / ".snakemake" / "locks").glob("*.lock"))
    owner = project / OWNER
    if not locks or not owner.is_file():
        return False
    facts = read_json(owner)
    if facts["pid"] == os.getpid() or _is_alive(facts["pid"], facts["started"]):
        return False
    for file in locks:
        file.unlink(missing_ok=True)
    return True


def silence_snakemake() -> None:
    """Leave Snakemake's progress and errors on the terminal, without a line for every start and end of a job.

    Its own log file in .snakemake/log keeps them; the steps print what they do themselves.
    """

    def is_news(record: logging.LogRecord) -> bool:
        event = getattr(record, "event", None)
        return event not in ("job_started", "job_finished") and not record.getMessage().startswith(
            ("Select jobs", "Execute ")
        )

    for handler in logging.getLogger("snakemake.logging").handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(is_news)


def find_owner(project: Path) -> Callable[[], bool]:
    """A cheap question for a long step: is the Snakemake that started it gone? Always no for a step started by hand."""
    import psutil

    owner = project / OWNER
    if not owner.is_file():
        return lambda: False
    facts = read_json(owner)
    if facts["pid"] not in [process.pid for process in psutil.Process().parents()]:
        return lambda: False
    return lambda: not _is_alive(facts["pid"], facts["started"])

"""Snakemake's lock of a project: released when the process that held it was killed, never while it runs."""

from __future__ import annotations

import logging
import os
import platform
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from gaslamp.core.errors import IN_WORKFLOW, GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.core.interrupts import is_stopping
from gaslamp.core.liveness import OWNER, is_alive, read_owner

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Drawn at each start of a Linux machine."""


def claim(project: Path) -> None:
    """Record that this process runs the workflow in ``project``."""
    import psutil

    facts = {"pid": os.getpid(), "started": psutil.Process().create_time(), **get_machine()}
    write_json(project / OWNER, facts)


def get_machine() -> dict[str, str]:
    """Name and start of this machine: two that share a file system differ in both, a container in its name alone."""
    return {"host": platform.node(), "boot": BOOT.read_text().strip() if BOOT.is_file() else ""}


def find_other_machine(project: Path) -> str | None:
    """The name of another machine that claimed ``project`` last, whose processes cannot be seen from here."""
    try:
        facts, here = read_json(project / OWNER), get_machine()
        known = facts["boot"] and here["boot"] and facts["boot"] != here["boot"]
        return str(facts["host"]) if known and facts["host"] != here["host"] else None
    except (GaslampError, OSError, UnicodeDecodeError, KeyError, TypeError):
        return None


def find_run(project: Path) -> tuple[int, float] | None:
    """Process id and start of a Snakemake that works in ``project``, other than this process; None: there is none.

    The one that claimed the project is looked at first. Between Snakemake's lock and the claim lie some milliseconds,
    so without a living owner all processes are looked through.
    """
    import psutil

    owner = read_owner(project)
    if owner and owner[0] != os.getpid() and is_alive(*owner):
        return owner
    family = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    for process in psutil.process_iter(["pid", "cmdline", "cwd", "create_time"]):
        facts = process.info
        if facts["pid"] in family or not facts["cwd"] or Path(facts["cwd"]) != project.resolve():
            continue
        words = facts["cmdline"] or []
        if "snakemake" in [Path(word).name for word in words[:4]] and "--mode" not in words:
            return facts["pid"], facts["create_time"]
    return None


def release_stale_lock(project: Path) -> bool:
    """Remove Snakemake's lock files when no run works in ``project``; return whether there were any.

    A kill -9 leaves the locks behind and Snakemake then asks for ``--unlock``; with this the same command resumes.
    """
    locks = list((project / ".snakemake" / "locks").glob("*.lock"))
    owner = read_owner(project)
    if not locks or find_other_machine(project) or (owner and owner[0] == os.getpid()) or find_run(project):
        return False
    for file in locks:
        file.unlink(missing_ok=True)
    return True


def require_free(project: Path) -> None:
    """Refuse a second run while one works in ``project``.

    Raises:
        GaslampError: names its process and since when it runs.
    """
    if is_locked(project) and (other := find_other_machine(project)):
        raise GaslampError(
            f"a run of this project was started on {other}, another machine that shares this folder",
            "go on there; make status there shows how far it is, and whether it lives (a dead one: snakemake --profile "
            "cpu --unlock, here)",
        )
    if is_locked(project) and (run := find_run(project)):
        since = datetime.fromtimestamp(run[1]).strftime("%H:%M on %d %B")
        raise GaslampError(
            f"a run of this project is alive: process {run[0]}, since {since}",
            "wait for it: make status shows how far it is, make watch follows it",
            f"stop it (kill {run[0]}): its training saves a checkpoint, and the same command goes on",
        )


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

    Its own log file in .snakemake/log keeps those lines; each step prints its own progress. Once a stop was
    requested, Snakemake's errors about the steps that ended because of it are not shown either:
    ``show_failure`` says what is kept.
    """
    os.environ[IN_WORKFLOW] = "1"  # for the steps

    def is_shown(record: logging.LogRecord) -> bool:
        event = getattr(record, "event", None)
        return (
            not is_stopping()
            and event not in ("job_started", "job_finished")
            and not record.getMessage().startswith(("Select jobs", "Execute "))
        )

    for handler in logging.getLogger("snakemake.logging").handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(is_shown)


def find_owner(project: Path) -> Callable[[], bool]:
    """A cheap check for a long step: whether the Snakemake that started it is gone. Never true when started by hand.

    A recorded start would not do: a clock that is set forward moves the start of every process.
    """
    import psutil

    owner = read_owner(project)
    parent = next((one for one in psutil.Process().parents() if owner and one.pid == owner[0]), None)
    if parent is None:
        return lambda: False

    def is_gone() -> bool:
        try:
            return not parent.is_running() or parent.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return is_gone

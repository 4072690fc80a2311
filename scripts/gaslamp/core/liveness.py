"""Whether a process that recorded itself still runs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json

OWNER = Path(".snakemake") / "gaslamp_owner.json"
"""The Snakemake that claimed the project last; relative to the project."""
WATCH = Path(".gaslamp") / "remote" / "watch.json"
"""The process here that follows a training on another machine; relative to the project."""
LEASE = Path(".gaslamp") / "remote" / "lease.json"
"""The machine elsewhere that a project uses now (gaslamp.remote.driver.Lease); relative to the project."""
PROGRESS = "GASLAMP_PROGRESS"
"""Environment variable of a job on a cluster: the file that gets its progress lines, which nobody sees on a node."""
TOLERANCE = 2.0  # seconds between the start of a process and the time that it recorded


def is_alive(pid: object, started: float) -> bool:
    """Whether the process ``pid`` still runs and had started by ``started``; a later one with that number is another.

    Args:
        pid: its number; anything but a positive integer is no process.
        started: Unix time (seconds) at which it recorded itself.
    """
    import psutil

    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        process = psutil.Process(pid)
        return float(process.create_time()) <= started + TOLERANCE and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def read_owner(project: Path) -> tuple[int, float] | None:
    """Process id and start (Unix time) of the run that claimed ``project`` last; None: nobody, or a damaged file."""
    try:
        facts = read_json(project / OWNER)
        return int(facts["pid"]), float(facts["started"])
    except (GaslampError, OSError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        return None


@contextmanager
def watch_here(project: Path) -> Iterator[None]:
    """While this process follows a training on another machine, that training counts as alive here."""
    file = project / WATCH
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"pid": os.getpid(), "started": time.time()})
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def get_node() -> dict[str, str]:
    """The name of this machine, where it is a node of a cluster that runs a job of Snakemake; else nothing."""
    return {"node": platform.node()} if os.environ.get(PROGRESS) else {}


def is_step_alive(start: Mapping[str, object], project: Path) -> bool:
    """Whether the step that wrote the event ``start`` still runs; on another node, as long as Snakemake does."""
    time_, pid = start.get("time"), start.get("pid")
    if start.get("node") not in (None, platform.node()):
        owner = read_owner(project)
        return owner is not None and is_alive(*owner)
    if isinstance(time_, str):
        time_ = datetime.fromisoformat(time_).timestamp()
    return is_alive(pid, float(time_) if isinstance(time_, int | float) else 0.0)


def is_training_alive(start: Mapping[str, object], project: Path) -> bool:
    """Whether the training that wrote the event ``start`` still runs.

    One on another machine (``remote``) has a process number of that machine: it runs as long as it is followed here.
    """
    if not start.get("remote"):
        return is_step_alive(start, project)
    if not (project / WATCH).is_file():
        return False
    watcher = read_json(project / WATCH)
    return is_alive(watcher.get("pid"), float(watcher.get("started") or 0.0))

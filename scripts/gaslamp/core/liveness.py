"""Whether a process that recorded itself still runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gaslamp.core.files import read_json, write_json

WATCH = Path(".gaslamp") / "remote" / "watch.json"
LEASE = Path(".gaslamp") / "remote" / "lease.json"
"""The machine elsewhere that a project uses now (gaslamp.remote.driver.Lease); relative to the project."""
"""The process here that follows a training on another machine; relative to the project."""
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


def is_training_alive(start: Mapping[str, object], project: Path) -> bool:
    """Whether the training that wrote the event ``start`` still runs.

    One on another machine (``remote``) has a process number of that machine: it runs as long as it is followed here.
    """
    started = start.get("time")
    if not start.get("remote"):
        return is_alive(start.get("pid"), float(started) if isinstance(started, int | float) else 0.0)
    if not (project / WATCH).is_file():
        return False
    watcher = read_json(project / WATCH)
    return is_alive(watcher.get("pid"), float(watcher.get("started") or 0.0))

"""A run without a terminal: started in the background of a project, found again, stopped as Ctrl-C stops it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from gaslamp.core.document import Document
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.core.liveness import is_alive, read_owner

RECORD = Path(".gaslamp") / "background.json"
LOG = Path("logs") / "background.log"
LOCK = Path(".gaslamp") / "background.lock"


class Run(TypedDict):
    """A run that is going on."""

    pid: int  # of Snakemake
    started: float  # Unix time
    log: str | None  # what it prints; None: a terminal


class Background(Run):
    """The run that ``start`` began last, in .gaslamp/background.json."""

    command: list[str]


class RunDocument(Document):
    """``make run BACKGROUND=1 JSON=1`` and ``make cancel JSON=1``."""

    is_running: bool
    is_new: bool  # this command started it
    was_stopped: bool  # this command stopped it
    pid: int | None
    profile: str | None  # of a run that this command started
    log: str | None


def find(project: Path) -> Run | None:
    """The Snakemake that works in ``project``, however it was started; None when there is none."""
    last = read_last(project)
    if last and is_alive(last["pid"], last["started"]):
        return {"pid": last["pid"], "started": last["started"], "log": last["log"]}
    owner = read_owner(project)
    return {"pid": owner[0], "started": owner[1], "log": None} if owner and is_alive(*owner) else None


def read_last(project: Path) -> Background | None:
    """What was started in the background last; it may have ended."""
    if not (project / RECORD).is_file():
        return None
    try:
        last: Background = read_json(project / RECORD)
        return last if {"pid", "started", "log", "command"} <= set(last) else None
    except (GaslampError, TypeError):
        return None


def start(project: Path, profile: str, arguments: Sequence[str] = ()) -> tuple[Run, bool]:
    """Start Snakemake in the background, or find the run that is going on; two at the same moment start one.

    Args:
        project: folder of the project.
        profile: name of a profile.
        arguments: further ones for Snakemake (``--config``, ``run=b``; a target).

    Returns:
        The run, and whether it is a new one.

    Raises:
        GaslampError: Snakemake is not installed.
    """
    from filelock import FileLock

    snakemake = Path(sys.executable).with_name("snakemake")
    if not snakemake.is_file():
        raise GaslampError(f"snakemake is not next to {sys.executable}", "make setup")
    (project / LOCK).parent.mkdir(exist_ok=True)
    (project / LOG).parent.mkdir(exist_ok=True)
    with FileLock(project / LOCK, timeout=60):
        if known := find(project):
            return known, False
        command = [str(snakemake), "--profile", profile, *arguments]
        with (project / LOG).open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=project,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "NO_COLOR": "1"},
                start_new_session=True,
            )
        run: Background = {"pid": process.pid, "started": time.time(), "log": str(LOG), "command": command}
        write_json(project / RECORD, run)
    return {"pid": process.pid, "started": run["started"], "log": str(LOG)}, True


def stop(project: Path, patience: float = 120.0) -> Run | None:
    """Stop the run that is going on as Ctrl-C does: its steps save their work; None when there is none.

    Args:
        project: folder of the project.
        patience: seconds to wait until it has ended.

    Raises:
        GaslampError: it still works on when the patience is over.
    """
    import psutil

    run = find(project)
    if run is None:
        return None
    with contextlib.suppress(psutil.NoSuchProcess):
        head = psutil.Process(run["pid"])
        for process in [*head.children(recursive=True), head]:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself
                process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + patience
    while is_alive(run["pid"], run["started"]):  # not wait(): where nobody collects a dead process, it stays a zombie
        if time.monotonic() > deadline:
            raise GaslampError(
                f"the run (process {run['pid']}) was interrupted and still works after {patience:.0f} s",
                "wait: a training saves its checkpoint first; make status says when it has ended",
                f"look at {run['log'] or 'its terminal'}",
            )
        time.sleep(0.1)
    return run

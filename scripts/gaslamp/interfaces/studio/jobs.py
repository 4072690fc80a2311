"""What a person starts with a button: `make data`, `run`, `try`, `deploy`, `generate`, each in a session of its own.

The record is a file of the project, so that a studio which was killed finds what it had started. A job outlives the
studio; stopping it is what Ctrl-C does at a terminal: the whole group gets SIGINT, and the training saves first.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import psutil

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.export.llamacpp.process import find_process

ACTIONS = ("data", "run", "try", "deploy", "generate")
RECORD = Path("outputs") / ".studio_job.json"
OUTSIDE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "GASLAMP_PREFIX", "GASLAMP_PROJECT")
"""What a `make studio` around this process has set, and a command of the project must not read."""


class Record(TypedDict):
    """outputs/.studio_job.json."""

    action: str
    pid: int
    created: float  # start time of the process: with the pid it identifies it
    ended: float | None  # Unix time; None: it runs, or its studio was closed before it ended
    code: int | None  # exit code
    stopped: bool  # the person pressed stop


@dataclass(frozen=True)
class Job:
    """The last thing that was started here.

    Attributes:
        action: one of ACTIONS.
        running: whether it runs now.
        began: Unix time.
        ended: Unix time; None while it runs, and where nobody saw it end.
        code: exit code; None as for ``ended``.
        stopped: the person stopped it.
    """

    action: str
    running: bool
    began: float
    ended: float | None
    code: int | None
    stopped: bool

    @property
    def log(self) -> Path:
        """What it printed, relative to the project."""
        return get_log(self.action)


def get_log(action: str) -> Path:
    """What an action prints, relative to the project."""
    return Path("logs") / f"studio_{action}.log"


class Jobs:
    """Starts and stops the jobs of all projects that a studio shows."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._lock = threading.Lock()

    def start(self, project: Path, action: str, number: int = 0) -> bool:
        """Start an action of a project; False when the last one still runs.

        Args:
            project: its folder.
            action: one of ACTIONS.
            number: which advice ``try`` applies.

        Raises:
            GaslampError: make is missing.
        """
        assert action in ACTIONS, action
        make = shutil.which("make")
        if make is None:
            raise GaslampError("make is not on the PATH", "install it (apt install make, xcode-select --install)")
        with self._lock:
            job = read_job(project)
            if job and job.running:
                return False
            log = project / get_log(action)
            log.parent.mkdir(exist_ok=True)
            environ = {key: value for key, value in os.environ.items() if key not in OUTSIDE}
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [make, "--no-print-directory", action, *([f"N={number}"] if number else [])],
                    cwd=project,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            record: Record = {
                "action": action,
                "pid": process.pid,
                "created": psutil.Process(process.pid).create_time(),
                "ended": None,
                "code": None,
                "stopped": False,
            }
            write_json(project / RECORD, record)
        threading.Thread(target=self._wait, args=(project, process), daemon=True).start()
        return True

    def _wait(self, project: Path, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        with self._lock:
            record = _read(project)
            if record and record["pid"] == process.pid:
                write_json(project / RECORD, {**record, "ended": time.time(), "code": code})

    def stop(self, project: Path) -> bool:
        """Send what Ctrl-C sends to all processes of the job; False when none runs."""
        with self._lock:
            record = _read(project)
            if record is None or find_process(record["pid"], record["created"]) is None:
                return False
            write_json(project / RECORD, {**record, "stopped": True})
            try:
                os.killpg(record["pid"], signal.SIGINT)
            except ProcessLookupError:
                return False
        return True


def read_job(project: Path) -> Job | None:
    """The last job of a project by its record and the processes of this machine; None without one.

    Raises:
        GaslampError: the record is damaged.
    """
    record = _read(project)
    if record is None:
        return None
    running = record["ended"] is None and find_process(record["pid"], record["created"]) is not None
    return Job(record["action"], running, record["created"], record["ended"], record["code"], bool(record["stopped"]))


def _read(project: Path) -> Record | None:
    file = project / RECORD
    if not file.is_file():
        return None
    try:
        record: Record = read_json(file)
        is_whole = (
            record["action"] in ACTIONS
            and isinstance(record["pid"], int)
            and isinstance(record["created"], int | float)
            and isinstance(record["ended"], int | float | None)
            and isinstance(record["code"], int | None)
            and isinstance(record["stopped"], bool)
        )
    except (GaslampError, ValueError, KeyError, TypeError, RecursionError, OSError):
        is_whole = False
    if not is_whole:
        raise GaslampError(
            f"{RECORD}, the record of what the studio started last, is damaged",
            f"delete {RECORD} of the project {project.name}: what ran before is kept",
        )
    return record


def stop_model(project: Path) -> None:
    """`make stop`: the servers of a project.

    Raises:
        GaslampError: it did not work; with what it said.
    """
    done = subprocess.run(
        ["make", "--no-print-directory", "stop"],
        cwd=project,
        env={key: value for key, value in os.environ.items() if key not in OUTSIDE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise GaslampError((done.stderr or done.stdout).strip()[-600:], f"make stop in {project.name}, at a terminal")

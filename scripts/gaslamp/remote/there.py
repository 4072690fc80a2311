"""What runs on the other machine: it verifies, starts the step in the background, reports what became of it, packs.

Each function prints one line of lines.py. It runs in the project's folder there, with the interpreter of the training.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gaslamp.core import registry
from gaslamp.core.artefact import now
from gaslamp.core.files import JsonObject, read_json, sha256_bytes, sha256_path, write_json
from gaslamp.core.liveness import TOLERANCE, is_alive
from gaslamp.environment.fitness import require_fit
from gaslamp.environment.python_env import detect_env, get_env_error
from gaslamp.environment.system import detect_system
from gaslamp.remote import lines
from gaslamp.train.checkpoints import check_checkpoint, get_step

JOBS = Path(".gaslamp") / "there"
SUPERVISED = "supervise.lock"
"""Held by the supervisor of a job as long as it lives."""
GRACE = 300.0
"""Seconds in which a training that gets a signal to stop may write its checkpoint."""
MOST = 4_000_000
"""Characters of metrics or output in one line."""


def set_up() -> None:
    """Print SETUP_OK: this interpreter has the library and what it imports."""
    lines.write(lines.Setup(python=sys.executable, python_version=sys.version.split()[0]))


def verify(backend_name: str, need_gb: float) -> None:
    """Print VERIFY_OK when this machine can train.

    Args:
        backend_name: of the backend that will train here.
        need_gb: disk space that the run takes.

    Raises:
        GaslampError: packages that do not load, no GPU or a small one, too little disk space.
    """
    system, env = detect_system(), detect_env(registry.get("backends", backend_name), backend_name)
    require_fit(system, backend_name, need_gb)
    if env["issues"]:
        raise get_env_error(env)
    gpus = system["gpus"] if backend_name == "cuda" else []
    sizes = [size for gpu in gpus if (size := gpu["vram_gb"])]
    names = [str(gpu["name"]) for gpu in gpus]
    words = ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names)) or f"{system['cores']} cores"
    lines.write(
        lines.Verified(
            backend=backend_name,
            machine=words,
            gpus=len(gpus),
            vram_gb=max(sizes) if sizes else None,
            disk_free_gb=env["disk_free_gb"],
            warnings=env["warnings"],
        )
    )


def fetch_model(command: Sequence[str], facts: Path, token: str) -> None:
    """Fetch a hub model with the same step as everywhere, and print MODEL_OK.

    Args:
        command: of the step.
        facts: model.json that it writes.
        token: for a gated model; it is in the environment of that process only.

    Raises:
        SystemExit: the step failed; its own error stands above.
    """
    environ = {**os.environ, **({"HF_TOKEN": token} if token else {})}
    done = subprocess.run([sys.executable, *command], env=environ, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(done.returncode)  # it has said why
    lines.write(lines.Model(sha256=read_json(facts)["sha256"]))


# ---------------------------------------------------------------------------------------------------------- one command


def supervise(name: str, key: str, command: Sequence[str]) -> int:
    """Run the command and record how it ended; this process is started in the background.

    One supervisor of a job runs at a time. A process of the same job that outlived its supervisor is ended first, so
    that nothing is trained twice.
    """
    from filelock import FileLock, Timeout

    folder = JOBS / name
    folder.mkdir(parents=True, exist_ok=True)
    alone = FileLock(str(folder / SUPERVISED))
    while not alone.is_locked:
        try:
            alone.acquire(timeout=0.2)
        except Timeout:
            job, end = _read(folder / "job.json"), _read(folder / "end.json")
            if job.get("key") == key != end.get("key"):
                return 0  # it was started twice at the same time, and runs
            if job.get("key") != key:
                _end(job.get("child"))
    _end(_read(folder / "job.json").get("child"))
    (folder / "end.json").unlink(missing_ok=True)
    record: JsonObject = {"key": key, "pid": os.getpid(), "started": time.time()}
    write_json(folder / "job.json", record)
    for place in _get_outputs(command):
        place.parent.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "GASLAMP_REMOTE": "1", "PYTHONUNBUFFERED": "1"}
    # a session of its own: the processes of several GPUs, and what they started, are found by it
    child = subprocess.Popen([sys.executable, *command], env=environ, stdin=subprocess.DEVNULL, start_new_session=True)
    write_json(folder / "job.json", {**record, "child": {"pid": child.pid, "started": time.time()}})
    signal.signal(signal.SIGTERM, lambda number, frame: child.send_signal(signal.SIGTERM))
    status = child.wait()
    _end_group(child.pid, record["started"])
    seconds = round(time.time() - record["started"], 1)
    write_json(folder / "end.json", {"key": key, "status": status, "ended": now(), "seconds": seconds})
    return 0


@dataclass(frozen=True)
class Training:
    """Where a training leaves its state; another step has none."""

    backend: str
    checkpoints: Path
    metrics: Path


def find_job(name: str, training: Training | None) -> lines.Job:
    """What became of the last command of that name."""
    folder = JOBS / name
    job, end = _read(folder / "job.json"), _read(folder / "end.json")
    steps = [get_step(path) for path in list_checkpoints(training.checkpoints)] if training else []
    facts: JsonObject = {
        "key": str(job.get("key", "")),
        "step": max(steps, default=-1),  # by their names: to read them takes seconds
        "metrics": training.metrics.stat().st_size if training and training.metrics.is_file() else 0,
    }
    if not job:
        return lines.Job(state="none", **facts)
    if end.get("key") == job["key"]:
        status = int(end["status"])
        state: lines.State = "finished" if status == 0 else "killed" if status < 0 else "failed"
        seconds = max(0.0, float(end.get("seconds", 0)))  # the clock was set in between
        return lines.Job(state=state, status=status, seconds=seconds, **facts)
    # after the clock was set forward (a rented machine that begins), every process seems to be a later one
    alive = is_alive(job.get("pid"), float(job.get("started", 0))) or _is_held(folder / SUPERVISED)
    return lines.Job(state="running" if alive else "killed", **facts)


def _is_held(file: Path) -> bool:
    from filelock import FileLock, Timeout

    if not file.is_file():
        return False
    try:
        with FileLock(str(file), timeout=0):
            return False
    except (Timeout, OSError) as error:
        return isinstance(error, Timeout)


def poll(name: str, training: Training | None, offset: int, prefix: str, output_from: int) -> None:
    """Print POLL.

    Args:
        name: of the job.
        training: where its state is.
        offset: bytes of the metrics file that are at home.
        prefix: their sha256.
        output_from: bytes of the output that are at home.
    """
    job = find_job(name, training)  # before the files are read: what it wrote until its end is in them
    data = training.metrics.read_bytes() if training and training.metrics.is_file() else b""
    begin = offset if sha256_bytes(data[:offset]) == prefix and len(data) >= offset else 0
    whole = data[begin : data.rfind(b"\n") + 1][:MOST]
    whole = whole[: whole.rfind(b"\n") + 1]
    log = JOBS / name / "output.log"
    output = log.read_bytes()[output_from : output_from + MOST] if log.is_file() else b""
    output = output[: output.rfind(b"\n") + 1] if job.state == "running" else output
    lines.write(
        lines.Poll(
            job=job,
            metrics=whole.decode("utf-8", errors="replace"),
            metrics_from=begin,
            output=output.decode("utf-8", errors="replace"),
            output_to=output_from + len(output),
        )
    )


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, of every key, whole or not."""
    return [path for path in folder.glob("*/checkpoint-*") if path.name[11:].isdecimal()]


def find_newest(folder: Path, backend: str) -> Path | None:
    """The newest complete checkpoint below the checkpoints of a run, of any key; it prints nothing."""
    check = getattr(registry.get("backends", backend), "check_checkpoint", check_checkpoint)

    def is_whole(path: Path) -> bool:
        try:
            return check(path) is None
        except (OSError, RuntimeError):  # the training deleted it in this moment: there is a newer one
            return False

    newest_first = sorted(list_checkpoints(folder), key=get_step, reverse=True)
    return next((path for path in newest_first if is_whole(path)), None)


def pack(name: str, places: Sequence[Path]) -> None:
    """Pack files and folders into one tar file and print PACKED; what is not there is left out.

    The archive is named by its content, so that a transfer that was cut goes on with the same bytes.
    """
    folder = JOBS / name
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "archive.new"
    files = [file for place in places for file in _walk(place)]
    with tarfile.open(unfinished, "w", dereference=True) as archive:  # home takes no links
        for file in files:
            archive.add(file, arcname=file.as_posix(), recursive=False)
    digest = sha256_path(unfinished)
    done = folder / f"{digest[:16]}.tar"
    for old in folder.glob("*.tar"):
        if old != done:
            old.unlink()
    os.replace(unfinished, done)
    listed = [file.as_posix() for file in files]
    lines.write(lines.Packed(name=done.as_posix(), sha256=digest, size=done.stat().st_size, files=listed))


def list_jobs() -> None:
    """Print JOBS: every step that was started here, and what became of it."""
    names = sorted(folder.name for folder in JOBS.glob("*") if (folder / "job.json").is_file())
    lines.write(lines.Jobs(jobs=[f"{name}: {find_job(name, None).state}" for name in names]))


def stop(name: str = "", grace: float = GRACE) -> None:
    """End the command of that name, or every one of this project, after it saved, and print STOPPED."""
    ended = []
    for folder in sorted(JOBS.glob(name or "*")):
        job = _read(folder / "job.json")
        if not job or _read(folder / "end.json").get("key") == job.get("key"):
            continue
        if _end(job.get("child"), grace) or _end_supervised(folder, job, grace):
            ended.append(folder.name)
    lines.write(lines.Stopped(ended=ended))


def _end(child: object, grace: float = GRACE) -> bool:
    """Send a process the signal to stop, wait, and kill it when it does not; whether there was one."""
    if not isinstance(child, dict) or not isinstance(child.get("pid"), int):
        return False
    pid, started = int(child["pid"]), float(child.get("started", 0))
    was_alive = is_alive(pid, started)
    if was_alive:
        os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + grace
    while is_alive(pid, started):
        if time.monotonic() > limit:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    return _end_group(pid, started) or was_alive


def _end_supervised(folder: Path, job: JsonObject, grace: float) -> bool:
    """End a command whose start seems later than recorded, as the clock was set: its supervisor holds the lock."""
    if not _is_held(folder / SUPERVISED):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(job["pid"]), signal.SIGTERM)  # it passes the signal on
    limit = time.monotonic() + grace
    while _is_held(folder / SUPERVISED) and time.monotonic() < limit:
        time.sleep(0.1)
    return True


def _end_group(leader: int, started: float) -> bool:
    """Kill what a command left behind: the other processes of its session, such as those of further GPUs.

    They would wait for a process that is gone, or write into the files of the next start. Whether there were any.
    """
    import psutil

    left: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == leader and process.create_time() >= started - TOLERANCE:
                process.kill()
                left.append(process.pid)
    limit = time.monotonic() + GRACE
    while any(is_alive(pid, time.time()) for pid in left) and time.monotonic() < limit:
        time.sleep(0.05)
    return bool(left)


def _walk(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(file for file in place.rglob("*") if file.is_file() and not file.is_symlink())
    return [place] if place.is_file() else []


def _get_outputs(command: Sequence[str]) -> list[Path]:
    """The files and folders that the command names, whose folders must be there."""
    return [Path(part) for part in command if "/" in part and not part.startswith("-")]


def _read(file: Path) -> JsonObject:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

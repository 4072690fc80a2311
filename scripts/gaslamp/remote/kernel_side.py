"""What a notebook kernel on the other machine does for a driver: run, start, read, join. The file itself is sent there.

Standard library only and no syntax newer than Python 3.8: it runs in whatever kernel the machine has. ``answer`` is the
one door: a request goes in as JSON, one line of JSON behind MARK comes out, so that an exception in a cell, which some
clients report with exit code 0, is a missing line and never a success.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    Values = dict[str, Any]  # JSON

MARK = "GASLAMP-ANSWER "
MOST = 200000  # bytes of output that an answer carries: a Jupyter server drops what is much more in a second


def answer(request: str) -> None:
    """Do what ``request`` (JSON: ``do`` and its arguments) says and print the answer behind MARK."""
    wanted = json.loads(request)
    actions: dict[str, Any] = {
        "enter": enter,
        "run": run,
        "wait": wait,
        "start": start,
        "alive": alive,
        "end": end,
        "read": read,
    }
    actions.update({"write": write, "join": join, "fetch": fetch, "split": split, "remove": remove})
    try:
        reply = {"value": actions[wanted.pop("do")](**wanted), "errno": None, "why": ""}
    except OSError as error:
        reply = {"value": None, "errno": error.errno or 0, "why": str(error)}
    print("\n" + MARK + json.dumps(reply), flush=True)


def enter(folder: str) -> dict[str, str]:
    """Make the folder of the project: its absolute path, and the name of this machine."""
    folder = os.path.abspath(os.path.expanduser(folder))
    os.makedirs(folder, exist_ok=True)
    return {"folder": folder, "host": os.uname().nodename}


def run(command: list[str], folder: str, seconds: float, stdin: str | None = None) -> Values:
    """Start a program that is waited for: see ``wait``. ``stdin`` names a file, which is removed before it is read."""
    place = os.path.join(folder, ".calls", f"{os.getpid()}-{time.time_ns()}")
    os.makedirs(place)
    given = os.open(stdin or os.devnull, os.O_RDONLY)
    if stdin:
        os.remove(stdin)
    try:
        with open(os.path.join(place, "out"), "wb") as out, open(os.path.join(place, "err"), "wb") as err:
            pid = _start(command, folder, os.path.join(place, "code"), given, out, err)
    finally:
        os.close(given)
    return wait(pid, place, seconds)


def wait(pid: int, place: str, seconds: float) -> Values:
    """Wait at most ``seconds`` for a program of ``run``: its exit code and output.

    ``code`` null: it still runs. An output that is null is too long for an answer and is in the files ``out``, ``err``
    of ``place``.
    """
    until = time.monotonic() + seconds
    code = os.path.join(place, "code")
    while _runs(pid) and not os.path.exists(code) and time.monotonic() < until:
        time.sleep(0.02)
    if not os.path.exists(code) and _runs(pid):
        return {"pid": pid, "place": place, "code": None}
    result: dict[str, Any] = {"pid": pid, "place": place, "code": _read_code(code)}
    for name in ("out", "err"):
        file = os.path.join(place, name)
        result[name] = None
        if os.path.getsize(file) <= MOST:
            with open(file, "rb") as handle:
                result[name] = handle.read().decode("utf-8", "replace")
    if result["out"] is not None and result["err"] is not None:
        shutil.rmtree(place)
    return result


def start(command: list[str], folder: str, log: str) -> int:
    """Start a program in a session of its own: it outlives the cell, the kernel and the connection."""
    os.makedirs(os.path.dirname(log) or ".", exist_ok=True)
    with open(log, "ab") as handle, open(os.devnull, "rb") as nothing:
        return _start(command, folder, log + ".code", nothing.fileno(), handle, handle)


def _start(command: list[str], folder: str, code: str, stdin: int, out: BinaryIO, err: BinaryIO) -> int:
    """A program whose exit code goes to the file ``code`` when it has ended; the process id of its group."""
    if os.path.exists(code):
        os.remove(code)
    environ = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}  # it is for the notebook's plots
    script = '"$@"; echo $? > "$0.new"; mv "$0.new" "$0"'
    return subprocess.Popen(
        ["sh", "-c", script, code] + list(command),
        cwd=folder,
        env=environ,
        stdin=stdin,
        stdout=out,
        stderr=err,
        start_new_session=True,
    ).pid


def _read_code(file: str) -> int:
    if not os.path.exists(file):
        return -9  # it was killed, and wrote none
    with open(file) as handle:
        return int(handle.read())


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.waitpid(pid, os.WNOHANG)  # a child of this kernel that has ended stays a zombie until somebody asks
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def alive(pid: int, log: str) -> bool:
    """Whether a program of ``start`` runs."""
    return not os.path.exists(log + ".code") and _runs(pid)


def end(pid: int) -> bool:
    """End a program and all that it started."""
    try:
        os.killpg(pid, 15)
    except OSError:
        return False
    return True


def read(path: str, offset: int, most: int) -> str:
    """At most ``most`` bytes of a file from ``offset`` on, in base64; empty: there are no more, or no such file."""
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as handle:
        handle.seek(offset)
        return base64.b64encode(handle.read(most)).decode("ascii")


def write(path: str, data: str) -> bool:
    """Write bytes (base64) to a file that only this user reads; its folder is made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(base64.b64decode(data))
    return True


def _hash(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def join(parts: list[tuple[str, str]], folder: str, path: str) -> list[str]:
    """Make ``path`` of parts in ``folder``; ``parts`` are (name, SHA-256), in order.

    Returns:
        The names of those that are missing or damaged, which are removed; none: ``path`` is whole, the parts are gone.
    """
    os.makedirs(folder, exist_ok=True)
    wrong = []
    for name, sha256 in parts:
        part = os.path.join(folder, name)
        if not os.path.isfile(part) or _hash(part) != sha256:
            remove(part)
            wrong.append(name)
    if wrong:
        return wrong
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "wb") as whole:
        for name, _ in parts:
            with open(os.path.join(folder, name), "rb") as handle:
                shutil.copyfileobj(handle, whole)
    os.replace(path + ".new", path)
    shutil.rmtree(folder)
    return wrong


def fetch(path: str, most: int) -> Values | None:
    """The size of a file, and its bytes (base64) when they are no more than ``most``; null: no file."""
    if not os.path.isfile(path):
        return None
    size = os.path.getsize(path)
    return {"size": size, "data": read(path, 0, size) if size <= most else None}


def split(path: str, folder: str, most: int) -> list[tuple[str, str]] | None:
    """Cut a file into parts of at most ``most`` bytes in ``folder``: their (name, SHA-256), in order; null: no file."""
    if not os.path.isfile(path):
        return None
    os.makedirs(folder, exist_ok=True)
    parts: list[tuple[str, str]] = []
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(most), b""):
            name = f"part-{len(parts):05d}"
            with open(os.path.join(folder, name), "wb") as part:
                part.write(block)
            parts.append((name, hashlib.sha256(block).hexdigest()))
    return parts


def remove(path: str) -> bool:
    """Remove a file or a folder, if it is there."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)
    return True

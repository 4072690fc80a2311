"""What a notebook kernel on the other machine does for a driver: run, start, read, join. The file itself is sent there.

Standard library only and no syntax newer than Python 3.8: it runs in whatever kernel the machine has. ``answer`` is the
one door: a request goes in as JSON, one line of JSON behind MARK comes out, so that an exception in a cell, which some
clients report with exit code 0, is a missing line and never a success.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import time

MARK = "GASLAMP-ANSWER "
MOST = 1000000  # characters of one output that an answer carries; the end is kept


def answer(request):
    """Do what ``request`` (JSON: ``do`` and its arguments) says and print the answer behind MARK."""
    wanted = json.loads(request)
    actions = {"enter": enter, "run": run, "wait": wait, "start": start, "alive": alive, "end": end, "read": read}
    actions.update({"write": write, "join": join, "split": split, "remove": remove})
    try:
        reply = {"value": actions[wanted.pop("do")](**wanted), "errno": None, "why": ""}
    except OSError as error:
        reply = {"value": None, "errno": error.errno or 0, "why": str(error)}
    print("\n" + MARK + json.dumps(reply), flush=True)


def enter(folder):
    """Make the folder of the project and tell where it is and what machine this is."""
    folder = os.path.abspath(os.path.expanduser(folder))
    os.makedirs(folder, exist_ok=True)
    return {"folder": folder, "host": os.uname().nodename}


def run(command, folder, seconds, stdin=None):
    """Start a program that is waited for: see ``wait``. ``stdin`` names a file, which is removed before it is read."""
    place = os.path.join(folder, ".calls", "%d-%d" % (os.getpid(), time.time_ns()))
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


def wait(pid, place, seconds):
    """Wait at most ``seconds`` for a program of ``run``: its exit code and output, or ``code`` null: it still runs."""
    until = time.monotonic() + seconds
    code = os.path.join(place, "code")
    while _runs(pid) and not os.path.exists(code) and time.monotonic() < until:
        time.sleep(0.02)
    if not os.path.exists(code) and _runs(pid):
        return {"pid": pid, "place": place, "code": None}
    result = {"pid": pid, "place": place, "code": _read_code(code)}
    for name in ("out", "err"):
        with open(os.path.join(place, name), "rb") as handle:
            result[name] = handle.read().decode("utf-8", "replace")[-MOST:]
    shutil.rmtree(place)
    return result


def start(command, folder, log):
    """Start a program in a session of its own: it outlives the cell, the kernel and the connection."""
    os.makedirs(os.path.dirname(log) or ".", exist_ok=True)
    with open(log, "ab") as handle, open(os.devnull, "rb") as nothing:
        return {"pid": _start(command, folder, log + ".code", nothing, handle, handle)}


def _start(command, folder, code, stdin, out, err):
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


def _read_code(file):
    if not os.path.exists(file):
        return -9  # it was killed before it could tell
    with open(file) as handle:
        return int(handle.read())


def _runs(pid):
    try:
        os.waitpid(pid, os.WNOHANG)  # a child of this kernel that has ended stays a zombie until somebody asks
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def alive(pid, log):
    """Whether a program of ``start`` runs."""
    return not os.path.exists(log + ".code") and _runs(pid)


def end(pid):
    """End a program and all that it started."""
    try:
        os.killpg(pid, 15)
    except OSError:
        return False
    return True


def read(path, offset, most):
    """At most ``most`` bytes of a file from ``offset`` on, in base64; empty: there are no more, or no such file."""
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as handle:
        handle.seek(offset)
        return base64.b64encode(handle.read(most)).decode("ascii")


def write(path, data):
    """Write bytes (base64) to a file that only this user reads; its folder is made."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(base64.b64decode(data))
    return _hash(path)


def _hash(path):
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def join(parts, folder, path):
    """Make ``path`` of parts in ``folder``: ``parts`` are (name, SHA-256), in order. The names of those that are
    missing or damaged, which are removed; none: the file is there and the parts are gone."""
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


def split(path, folder, most):
    """Cut a file into parts of at most ``most`` bytes in ``folder``: their (name, SHA-256), in order; null: no file."""
    if not os.path.isfile(path):
        return None
    os.makedirs(folder, exist_ok=True)
    parts = []
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(most), b""):
            name = "part-%05d" % len(parts)
            with open(os.path.join(folder, name), "wb") as part:
                part.write(block)
            parts.append((name, hashlib.sha256(block).hexdigest()))
    return parts


def remove(path):
    """Remove a file or a folder, if it is there."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)
    return True

"""Google Colab without a browser: the program ``colab`` of google-colab-cli hands out a machine and takes it back."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from gaslamp.config.slices import Slice
from gaslamp.core.artefact import now
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json
from gaslamp.environment.findings import Problem
from gaslamp.remote.driver import Lease, RemoteError
from gaslamp.remote.kernel import KernelMachine
from gaslamp.remote.kernel_side import MARK
from gaslamp.remote.place import FOLDER, get_folder_name, get_used

TITLE = "a machine of Google Colab"
RELEASES = True
INSTALL = "uv tool install --python 3.12 google-colab-cli (or pip install it into a Python 3.12+ of its own)"
NEW = 600.0  # seconds that Colab may take to hand out a machine; the program itself tries again three times
CALL = 120.0  # seconds of a call that moves no file, on top of what the cell takes
GRACE = 0.3  # seconds in which a program that has answered may end by itself
TRANSFER = 1800.0  # seconds that one part may take
ADC = "application_default_credentials.json"
PRODUCT = Path("/sys/class/dmi/id/product_name")  # on a machine of Google's cloud credentials come from the network
MOVED = ("~/.local/bin/colab", "~/.local/share/uv/tools/google-colab-cli/bin/colab")
TOKEN = Path(".config") / "colab-cli" / "token.json"
LOST = r"Session '[^']*' not found|appears to be lost|40[14] Client Error"
AUTH = (
    r"DefaultCredentialsError|No valid default credentials|RefreshError|invalid_grant|authorization code|"
    r"Client OAuth config not found|403 Client Error"
)
SIGN_IN = {
    "oauth2": "run {cli} --auth oauth2 sessions in a terminal once: it shows an address and asks for the code",
    "adc": "run gcloud auth application-default login with the scopes openid, cloud-platform, userinfo.email and "
    "colaboratory (https://www.googleapis.com/auth/...)",
}


def find_cli(settings: Slice) -> Path | None:
    """The program: ``remote.colab_cli``, else on the PATH, else where uv puts its tools."""
    if settings.remote.colab_cli:
        named = Path(settings.remote.colab_cli).expanduser()
        return named.absolute() if named.is_file() else None
    found = shutil.which("colab")
    places = [Path(found)] if found else [Path(place).expanduser() for place in MOVED]
    return next((place for place in places if place.is_file()), None)


def find_problems(settings: Slice) -> list[Problem]:
    """No program, or nobody has signed in."""
    remote, cli = settings.remote, find_cli(settings)
    if cli is None:
        if remote.colab_cli:
            return [Problem(f"remote.colab_cli names {remote.colab_cli}, which is not there", "correct it, or null")]
        return [
            Problem(
                "no colab command, which hands out machines of Google Colab",
                INSTALL,
                "set remote.driver: notebook, which needs a browser and nothing else",
            )
        ]
    if remote.colab_auth == "oauth2" and not (Path.home() / TOKEN).is_file():
        return [
            Problem(
                "colab has no sign-in of yours yet",
                SIGN_IN["oauth2"].format(cli=cli),
                "set remote.colab_auth: adc if you use gcloud",
            )
        ]
    if remote.colab_auth == "adc" and not has_default_credentials():
        return [
            Problem(
                "remote.colab_auth is adc, and gcloud has no application-default credentials here",
                SIGN_IN["adc"],
                "set remote.colab_auth: oauth2, which needs no gcloud",
            )
        ]
    return []


def has_default_credentials() -> bool:
    """Whether Google's libraries find a sign-in: a named file, that of gcloud, or a machine of Google's cloud."""
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    folder = Path(os.environ.get("CLOUDSDK_CONFIG") or Path.home() / ".config" / "gcloud")
    is_google = PRODUCT.is_file() and "Google" in PRODUCT.read_text(encoding="utf-8", errors="replace")
    return (Path(named) if named else folder / ADC).is_file() or is_google


def open(settings: Slice, lease: Lease | None, keep: Callable[[Lease], None]) -> ColabMachine:
    """The session of ``lease``, or a new one with ``remote.gpu``."""
    cli = find_cli(settings)
    if cli is None:
        problem = find_problems(settings)[0]
        raise GaslampError(problem.cause, problem.fix, problem.less_likely)
    program = Program(cli, settings.remote.colab_auth, Path.cwd() / FOLDER / "colab")
    folder = f"{settings.remote.folder}/{get_folder_name(Path.cwd())}"
    if lease is not None:
        machine = ColabMachine(program, lease)
        machine.check()
        machine.enter(folder)
        return machine
    gpu = settings.remote.gpu
    words = "a machine of Colab without a GPU" if gpu == "none" else f"Colab's {gpu}"
    machine = ColabMachine(
        program, Lease(driver="colab", name=f"gaslamp-{secrets.token_hex(4)}", machine=words, folder="", started=now())
    )
    keep(machine.lease)  # before it is requested for: a kill in between leaves the name under which it can be returned
    try:
        program.assign(machine.lease.name, gpu)
        machine.enter(folder)
    except BaseException:
        machine.release()
        raise
    return machine


class Program:
    """The program ``colab``, with a state of its own for this project.

    Its home folder is one of the project: there its check for updates is off, and its log, which holds tokens, goes
    nowhere. The sign-in is the user's own, by a link.
    """

    def __init__(self, cli: Path, auth: str, folder: Path) -> None:
        self.cli, self.auth, self.folder = cli, auth, folder
        own = folder / "home" / ".config" / "colab-cli"
        own.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        write_json(own / "settings.json", {"enable_update_check": False})
        for link, target in ((own / "colab.log", Path(os.devnull)), (own / "token.json", Path.home() / TOKEN)):
            if not link.is_symlink():
                link.unlink(missing_ok=True)
                link.symlink_to(target)
        self.environ = {
            **os.environ,
            "HOME": str(folder / "home"),
            "CLOUDSDK_CONFIG": os.environ.get("CLOUDSDK_CONFIG", str(Path.home() / ".config" / "gcloud")),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }

    def call(
        self, *arguments: str, seconds: float, lock: int | None = None, until: str | None = None
    ) -> tuple[int, str, str]:
        """Run it: exit code, standard output, standard error.

        Args:
            arguments: command and its options.
            seconds: after them it is ended.
            lock: file descriptor that it holds until it ends. Ctrl-C does not end it then.
            until: it is ended a moment after it printed a whole line that begins so: it often waits ten seconds more
                for a connection that it is closing.

        Raises:
            RemoteError: of kind ``network``: no end after ``seconds``; ``auth``: the sign-in is missing or expired.
        """
        command = [
            str(self.cli),
            *("--auth", self.auth),  # its documentation and its code disagree on the default
            *("--config", str(self.folder / "sessions.json")),
            *("--client-oauth-config", str(Path.home() / ".colab-cli-oauth-config.json")),
            *arguments,
        ]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                command,
                env=self.environ,
                stdin=subprocess.DEVNULL,  # it would ask for a code
                stdout=out,
                stderr=said,
                start_new_session=lock is not None,
                pass_fds=() if lock is None else (lock,),
            )
            try:
                status = _wait(process, seconds, lambda: until is not None and _has_line(_read(out), until))
            except BaseException:
                if lock is not None:  # a machine may be on its way: its name must be known, so that it can be returned
                    _wait(process, seconds)
                process.kill()
                process.wait()
                raise
            printed, complaint = _read(out), _read(said)
        if status is None:
            raise RemoteError(
                "network",
                f"colab {arguments[0]} did not end within {seconds:.0f} s",
                "check the connection, then run the same command: it goes on",
            )
        if status and re.search(AUTH, complaint + printed):
            raise RemoteError(
                "auth",
                f"Google does not accept the sign-in of colab ({self.auth}): {_get_last(complaint or printed)}",
                SIGN_IN[self.auth].format(cli=self.cli),
                f"set remote.colab_auth: {'adc' if self.auth == 'oauth2' else 'oauth2'}",
            )
        return status, printed, complaint

    def assign(self, name: str, gpu: str) -> None:
        """Get a machine. Another process of this project that is waiting for one goes first."""
        with (self.folder / "new.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            flags = [] if gpu == "none" else ["--gpu", gpu]
            status, out, said = self.call("new", "-s", name, *flags, seconds=NEW, lock=handle.fileno())
        if status == 0 and "READY" in out:
            (self.folder / "sessions.json").chmod(0o600)
            return
        said += out
        if "precondition failed" in said:
            raise RemoteError(
                "refused",
                f"Colab has no {'machine' if gpu == 'none' else gpu} for you now (412)",
                "wait, or set remote.gpu to another one (T4 is given most often), and run the same command",
                "too many machines of yours are running: close some in the browser (Runtime, Manage sessions)",
            )
        if "rejected accelerator" in said:
            raise RemoteError(
                "no_entitlement",
                f"your account may not use Colab's {gpu} (400)",
                "set remote.gpu: T4, or buy compute units (colab pay)",
                "the paid units are used up: colab usage shows them",
            )
        raise RemoteError("network", f"Colab handed out no machine: {_get_last(said)}", "run the same command again")


class ColabMachine(KernelMachine):
    """One session."""

    def __init__(self, program: Program, lease: Lease) -> None:
        super().__init__(lease)
        self._program = program

    def check(self) -> None:
        """Raise RemoteError of kind ``lost`` when Colab has taken the machine away."""
        with (self._program.folder / "new.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)  # a machine that a killed run requested for is known then
        self._call("status", seconds=CALL)

    def _call(self, command: str, *arguments: str, seconds: float, until: str | None = None) -> str:
        """A command on this session: all that it printed. What it says of the session's end is raised."""
        status, out, said = self._program.call(command, "-s", self.lease.name, *arguments, seconds=seconds, until=until)
        if re.search(LOST if status else r"Session '[^']*' not found", said + out):
            raise RemoteError(
                "lost",
                f"Colab has taken {self.lease.machine} ({self.lease.name}) away",
                "run the same command: a new machine goes on from the last checkpoint that came home",
                "free machines are taken away after some hours, or when the account's units are used up",
            )
        if status:
            raise RemoteError(
                "network",
                f"colab {command} failed: {_get_last(said or out)}",
                "check the connection, then run the same command: it goes on",
            )
        return out + said

    def _execute(self, code: str, seconds: float) -> str:
        """Exit code 0 is no success: an exception has it too."""
        with tempfile.NamedTemporaryFile("w", prefix="gaslamp-", suffix=".py", encoding="utf-8") as cell:
            cell.write(code)
            cell.flush()
            limit = f"{seconds + 60:.0f}"
            return self._call("exec", "--timeout", limit, "-f", cell.name, seconds=seconds + CALL, until=MARK)

    def _send(self, source: Path, path: str) -> None:
        self._call("upload", str(source), path.lstrip("/"), seconds=TRANSFER)

    def _fetch(self, path: str, target: Path) -> None:
        self._call("download", path.lstrip("/"), str(target), seconds=TRANSFER)

    def _send_secret(self, text: str, path: str) -> None:
        """As a file: code that is executed stands in the program's history."""
        with tempfile.NamedTemporaryFile("w", prefix="gaslamp-", encoding="utf-8") as file:  # mode 600
            file.write(text)
            file.flush()
            self._send(Path(file.name), path)

    def release(self) -> str:
        """Return the machine, because it costs the user's units as long as it is there."""
        used = f"{self.lease.machine} was used for {get_used(self.lease.started)}"
        try:
            printed = self._call("stop", seconds=CALL)
        except RemoteError as error:
            if error.kind == "lost":
                return f"{used} and is given back"
            raise
        if "terminated" not in printed:
            raise RemoteError(
                "network",
                f"Colab did not confirm that {self.lease.name} is given back: {_get_last(printed)}",
                "run make remote-stop again: the machine costs units as long as it is there",
                "close it in the browser: Runtime, Manage sessions",
            )
        return f"{used} and is given back"


def _wait(process: subprocess.Popen[bytes], seconds: float, is_done: Callable[[], bool] = lambda: False) -> int | None:
    """The exit code of a program; 0 when it was ended because ``is_done``, ``None`` because it took too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done = is_done()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(GRACE if done else 0.05)
        if done:
            process.terminate()
            process.wait()
            return 0
    process.kill()
    process.wait()
    return None


def _read(file: IO[bytes]) -> str:
    """All that is in a file which another program writes."""
    return os.pread(file.fileno(), 1 << 30, 0).decode("utf-8", "replace")


def _has_line(text: str, start: str) -> bool:
    """Whether a line that begins with ``start`` is there to its end."""
    return any(line.startswith(start) and line.endswith("\n") for line in text.splitlines(keepends=True))


def _get_last(text: str) -> str:
    """The last line of what a program said, in which a traceback has its reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"

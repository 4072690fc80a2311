"""Any machine with SSH: a rented one, a server of a university; OpenSSH with the user's own settings and keys."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from gaslamp.config.slices import Slice
from gaslamp.core.artefact import now
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_path
from gaslamp.environment.findings import Problem
from gaslamp.remote.driver import CommandFailed, Lease, RemoteError
from gaslamp.remote.openssh import explain, in_any_shell
from gaslamp.remote.place import get_folder_name, get_used

TITLE = "a machine that you reach by SSH"
RELEASES = False
IMAGES = True
CONNECT = 15  # seconds for a connection to begin
ALIVE = 10  # seconds between two signs of life; after three without one the connection is lost
TRANSFER = 6 * 3600.0  # seconds that one file may take
SHORT = 60  # bytes of the path of a folder in which ssh may make its socket
FAILED = 255  # ssh's own exit code
OPTIONS = (
    "BatchMode=yes",  # no question: a password or an unknown host is an error that says so
    f"ConnectTimeout={CONNECT}",
    f"ServerAliveInterval={ALIVE}",
    "ServerAliveCountMax=3",
    "ControlMaster=auto",
    "ControlPersist=30",
)


def find_problems(settings: Slice) -> list[Problem]:
    """A missing ssh, host or key."""
    problems, remote = [], settings.remote
    if shutil.which("ssh") is None:
        problems.append(Problem("no ssh command on the PATH", "install OpenSSH (apt install openssh-client)"))
    if not remote.host:
        problems.append(
            Problem("remote.host is not set", "set remote.host in config.yaml to a name that ssh HOST reaches")
        )
    for name, file in (("key", remote.key), ("ssh_config", remote.ssh_config)):
        if file and not Path(file).expanduser().is_file():
            problems.append(
                Problem(f"remote.{name} names {file}, which is no file", f"correct it, or set {name}: null")
            )
    if remote.key and remote.key.endswith(".pub"):
        problems.append(
            Problem(
                f"remote.key names your public key {remote.key}", f"set remote.key: {remote.key.removesuffix('.pub')}"
            )
        )
    return problems


def open(settings: Slice, lease: Lease | None, keep: Callable[[Lease], None]) -> SshMachine:
    """The host of the config; its lease is only a record."""
    machine = SshMachine(settings, lease)
    try:
        machine.connect()
        if lease is None:
            keep(machine.lease)
    except BaseException:
        machine.close()
        raise
    return machine


def check_machine(settings: Slice) -> list[Problem]:
    """Connect once: an unknown host, a wrong key or a refused login is known before anything is downloaded."""
    try:
        with SshMachine(settings, None) as machine:
            machine.connect()
    except GaslampError as error:
        return [Problem(error.cause, error.fix, error.less_likely or "")]
    return []


class SshMachine:
    """One host over one connection, which all calls share (ControlMaster)."""

    def __init__(self, settings: Slice, lease: Lease | None) -> None:
        remote = settings.remote
        # macOS allows 104 bytes for the path of a socket: its own temporary folder takes half of them, ssh adds 17
        short = tempfile.gettempdir() if len(os.fsencode(tempfile.gettempdir())) <= SHORT else "/tmp"
        self._sockets = Path(tempfile.mkdtemp(prefix="gl-ssh-", dir=short))
        self._host = remote.host
        self._flags = [
            *(["-F", str(Path(remote.ssh_config).expanduser())] if remote.ssh_config else []),
            *(["-p", str(remote.port)] if remote.port else []),
            *(["-l", remote.user] if remote.user else []),
            *(["-i", str(Path(remote.key).expanduser())] if remote.key else []),
        ]
        self._options = [part for one in (*OPTIONS, f"ControlPath={self._sockets}/c") for part in ("-o", one)]
        user = f"{remote.user}@" if remote.user else ""
        self._shown = shlex.join([*self._flags, remote.host])
        name = f"{user}{remote.host}{f':{remote.port}' if remote.port else ''}"
        self._root = remote.folder
        self.lease = lease or Lease(driver="ssh", name=name, machine=name, folder="", started=now())
        if self.lease.name != name:
            self.close()
            raise RemoteError(
                "lost",
                f"the project is on {self.lease.name}, and remote.host is {name} now",
                "the run begins on the new host, from the checkpoints that came home",
            )
        self._folder_name = get_folder_name(Path.cwd())

    def connect(self) -> None:
        """Make the folder of the project there, and learn its absolute path."""
        self._require_quiet()
        if self.lease.folder:
            return
        root = self._root.removeprefix("~/") if self._root != "~" else "."
        place = shlex.quote(f"{root}/{self._folder_name}")
        test = '{ [ -w . ] || { echo "it cannot be written" >&2; exit 1; }; }'
        try:
            lines = self._shell(
                f"umask 077; mkdir -p {place} && cd {place} && {test} && pwd -P && uname -n", CONNECT * 2
            )
        except CommandFailed as error:
            raise RemoteError(
                "disk",
                f"no folder can be made in {self._root} on {self._host}: {error.output.strip()[-300:]}",
                "set remote.folder to a folder there that you may write, such as /workspace/gaslamp",
            ) from error
        if len(lines) != 2 or not lines[0].startswith("/"):
            raise self._get_noise(lines)
        self.lease.folder = lines[0]
        self.lease.machine = f"{self.lease.name} ({lines[1]})"

    def _require_quiet(self) -> None:
        """Raise RemoteError when a start file prints: its words would stand in every file that comes home."""
        try:
            lines = self._shell("true", CONNECT * 2)
        except CommandFailed as error:
            said = (error.output.strip().splitlines() or [f"it ended with {error.status}"])[-1]
            raise RemoteError(
                "auth",  # only a person can change it
                f"{self._host} lets you in and runs no command: {said[:200]}",
                f"ssh {self._shown} true must work: use an account with a shell, on a machine with sh (Linux or macOS)",
                "it is a proxy that opens terminals only (ssh.runpod.io): use the machine's own address and port",
            ) from error
        if lines:
            raise self._get_noise(lines)

    def _get_noise(self, lines: Sequence[str]) -> RemoteError:
        return RemoteError(
            "auth",  # only a person can change it
            f"{self._host} prints words of its own in every connection: {' '.join(lines)[:200]!r}",
            f"ssh {self._shown} true must print nothing: put '[[ $- == *i* ]] || return' at the top of ~/.bashrc "
            "there (of ~/.zshenv: '[[ -o interactive ]] || return')",
            "a start file of the system prints, in /etc: ask who runs the machine, or send its words to standard error",
        )

    def _ssh(
        self, script: str, timeout: float, stdin: bytes | int | None = None, stdout: int = subprocess.PIPE
    ) -> tuple[int, bytes, str]:
        """One call: exit code, standard output, standard error. Faults of ssh itself are raised."""
        command = ["ssh", "-T", *self._flags, *self._options, self._host, in_any_shell(script)]
        try:
            if isinstance(stdin, int):
                done = subprocess.run(
                    command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=timeout, check=False
                )
            else:
                done = subprocess.run(
                    command, input=stdin or b"", stdout=stdout, stderr=subprocess.PIPE, timeout=timeout, check=False
                )
        except subprocess.TimeoutExpired:
            raise RemoteError(
                "network",
                f"{self._host} did not answer within {timeout:.0f} s",
                "check the connection and the machine; the same command goes on",
            ) from None
        except FileNotFoundError:
            raise RemoteError("auth", "no ssh command on the PATH", "install OpenSSH") from None
        said = done.stderr.decode(errors="replace")
        if done.returncode == FAILED:
            raise explain(said, self._host, self._flags)
        # not after a success: a banner may say anything
        if done.returncode and re.search("No space left on device|Disk quota exceeded", said):
            raise RemoteError(
                "disk",
                f"the disk of {self._host} is full: {said.strip().splitlines()[-1]}",
                f"free space in {self.lease.folder or self._root} there (make remote-shell), then the same command",
                "put remote.folder on a larger disk",
            )
        return done.returncode, done.stdout or b"", said

    def _shell(self, script: str, timeout: float, stdin: str = "") -> list[str]:
        status, out, said = self._ssh(script, timeout, stdin.encode())
        if status:
            raise CommandFailed([script], status, out.decode(errors="replace") + said)
        return out.decode(errors="replace").splitlines()

    def _enter(self, script: str) -> str:
        return f"cd {shlex.quote(self.lease.folder)} && {script}"

    def run(self, command: Sequence[str], timeout: float, stdin: str = "") -> list[str]:
        """Run a program in the project's folder there."""
        status, out, said = self._ssh(self._enter(f"exec {shlex.join(command)}"), timeout, stdin.encode())
        if status:
            raise CommandFailed(command, status, out.decode(errors="replace") + said)
        return out.decode(errors="replace").splitlines()

    def put(self, source: Path, name: str) -> None:
        """Send a file; what arrived of it in an earlier call is not sent again, parts of another one are deleted."""
        own = f"{name}.{sha256_path(source)[:16]}.part"  # by its content: it is never continued with other bytes
        part, target, folder = shlex.quote(own), shlex.quote(name), shlex.quote(str(Path(name).parent))
        pattern, kept = (shlex.quote(glob.escape(Path(one).name)) for one in (name, own))
        others = f"find {folder} -maxdepth 1 -name {pattern}'.????????????????.part' ! -name {kept} -exec rm -f {{}} +"
        make = f"mkdir -p {folder} && {{ {others}; [ ! -f {part} ] || wc -c < {part}; }}"
        lines = self._shell(self._enter(make), CONNECT * 2)
        size = source.stat().st_size
        there = int(lines[-1]) if lines and lines[-1].strip().isdigit() else 0
        begin = there if there <= size else 0
        with source.open("rb") as handle:
            handle.seek(begin)
            keep = ">>" if begin else ">"
            status, _, said = self._ssh(
                self._enter(f"cat {keep} {part} && [ $(wc -c < {part}) -eq {size} ] && mv -f {part} {target}"),
                TRANSFER,
                handle.fileno(),
            )
        if status:
            self._forget(part, size)
            raise RemoteError("network", f"{name} did not arrive whole ({said.strip()[:200]})", "run the same command")

    def _forget(self, part: str, size: int) -> None:
        """Delete a part (quoted) that is longer than the file: two calls wrote into it."""
        with contextlib.suppress(CommandFailed):
            self._shell(self._enter(f"[ $(wc -c < {part}) -le {size} ] || rm -f {part}"), CONNECT * 2)

    def get(self, name: str, target: Path) -> None:
        """Bring a file home; what came of it in an earlier call is not fetched again."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        lines = self._shell(self._enter(f"wc -c < {shlex.quote(name)}"), CONNECT * 2)
        if not lines or not lines[-1].strip().isdigit():
            raise self._get_noise(lines)
        size = int(lines[-1])
        have = part.stat().st_size if part.is_file() else 0
        if have > size:
            part.unlink()
            have = 0
        with part.open("ab") as handle:
            status, _, said = self._ssh(
                self._enter(f"tail -c +{have + 1} {shlex.quote(name)}"), TRANSFER, subprocess.DEVNULL, handle.fileno()
            )
        if status or part.stat().st_size != size:
            raise RemoteError("network", f"{name} did not come whole ({said.strip()[:200]})", "run the same command")
        part.replace(target)

    def read(self, name: str, offset: int) -> bytes:
        """The bytes from ``offset`` on."""
        place = shlex.quote(name)
        script = self._enter(f"{{ [ ! -f {place} ] || tail -c +{offset + 1} {place}; }}")
        return self._ssh(script, TRANSFER)[1]  # a dead connection ends by itself

    def start(self, command: Sequence[str], log: str) -> str:
        """Start a program in a session of its own, which no connection ends."""
        folder, place = shlex.quote(str(Path(log).parent)), shlex.quote(log)
        detached = f"setsid nohup {shlex.join(command)} >> {place} 2>&1 < /dev/null & echo $!"
        if self._shell("command -v setsid || true", CONNECT * 2) == []:
            detached = detached.removeprefix("setsid ")  # macOS has none; nohup is enough there
        return self._shell(self._enter(f"{{ mkdir -p {folder}; {detached}; }}"), CONNECT * 2)[-1].strip()

    def alive(self, handle: str) -> bool:
        """Whether a process of that number runs there."""
        if not handle.isdigit():
            return False
        return self._shell(f"if kill -0 {handle} 2>/dev/null; then echo yes; fi", CONNECT * 2) == ["yes"]

    def release(self) -> str:
        """Nothing can be given back over SSH: how long it was used, and what the person does."""
        self.close()
        return (
            f"{self.lease.machine} was used for {get_used(self.lease.started)}; if you pay for it by the hour, stop it "
            f"on your provider's page. This project's folder there is {self.lease.folder}"
        )

    def close(self) -> None:
        """End the shared connection."""
        if self._sockets.exists():
            command = ["ssh", *self._flags, *self._options, "-O", "exit", self._host]
            with contextlib.suppress(subprocess.TimeoutExpired, OSError):
                subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=CONNECT, check=False)
            shutil.rmtree(self._sockets, ignore_errors=True)

    def get_shell(self) -> list[str]:
        """The command that opens a terminal in the project's folder there (make remote-shell)."""
        script = in_any_shell(self._enter('exec "${SHELL:-sh}" -l'))
        return ["ssh", "-t", *self._flags, self._host, script]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""What a driver of another machine offers: the contract of ``remote/drivers/<name>.py``, its machines and its errors.

A driver is a module, found by file name. It leases a machine, or reaches one that is leased already, and moves files
and commands. What is sent, run and brought home is the same for all drivers (bundle.py, steps.py), and the lines that
the other side prints are read by lines.py. ``tests/contracts/test_drivers.py`` checks every driver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, cast

from pydantic import Field

from gaslamp.config.slices import Slice
from gaslamp.core import registry
from gaslamp.core.artefact import Artefact
from gaslamp.core.errors import GaslampError
from gaslamp.environment.findings import Problem

Kind = Literal["lost", "refused", "no_entitlement", "auth", "disk", "network"]
"""What goes wrong with a machine that is borrowed."""
RETRY = {
    "lost": "lease",  # the machine is gone: a new one goes on from the last checkpoint that came home
    "refused": "wait",  # no such machine is free now
    "network": "again",  # the same call, after a pause
    "no_entitlement": "",
    "auth": "",
    "disk": "",
}
"""What helps without a person: ``again``, ``wait`` (minutes), ``lease`` (another machine), or nothing."""


class RemoteError(GaslampError):
    """A fault of the borrowed machine or of the way to it.

    Args:
        kind: of Kind; it decides what is tried again (RETRY).
        cause, fix, less_likely: as in GaslampError.
    """

    def __init__(self, kind: Kind, cause: str, fix: str, less_likely: str | None = None) -> None:
        super().__init__(cause, fix, less_likely)
        self.kind: Kind = kind

    @property
    def retry(self) -> str:
        """What helps without a person, of RETRY; empty: nothing."""
        return RETRY[self.kind]


class CommandFailed(GaslampError):
    """A command on the other machine ended with another exit code than 0.

    Args:
        command: what ran there; it is shown, so it holds no secret.
        status: its exit code.
        output: the end of what it printed, standard error last.
    """

    def __init__(self, command: Sequence[str], status: int, output: str) -> None:
        shown = " ".join(command[:4])
        super().__init__(f"over there, {shown} ended with {status}:\n{output[-1500:].strip()}", "see the lines above")
        self.status, self.output = status, output


class Lease(Artefact):
    """.gaslamp/remote/lease.json: the machine that this project uses now, so that the next step reaches the same one.

    It is written before anything else happens there: what is leased can be released after a kill too.
    """

    driver: str
    name: str  # how the driver finds the machine again: user@host:port, the name of a session
    machine: str  # what was got, in words: "a T4 of Colab", "gpu7 (2 x A100)"
    folder: str  # of this project over there, absolute
    started: str  # ISO 8601
    python: str = ""  # the interpreter of the training there, after the set-up
    backend: str = ""  # that trains there
    details: dict[str, str] = Field(default_factory=dict)  # of the driver, no secrets


class Machine(Protocol):
    """A machine that can be used now. Every call may raise RemoteError.

    Names of files are relative to ``lease.folder`` with ``/`` between their parts. Nothing here reads a shell's rules:
    commands are lists.
    """

    lease: Lease

    def run(self, command: Sequence[str], timeout: float, stdin: str = "") -> list[str]:
        """Run a program in ``lease.folder`` and return the lines of its standard output.

        Args:
            command: program and arguments.
            timeout: seconds; a driver ends the call then with RemoteError("network").
            stdin: text for its standard input: the only way for a secret.

        Raises:
            CommandFailed: it ended with another exit code than 0.
        """

    def put(self, source: Path, name: str) -> None:
        """Send a file; the folder is made. A transfer that was cut goes on where it stopped, or begins again."""

    def get(self, name: str, target: Path) -> None:
        """Bring a file home, in the same way; ``target`` has all bytes, or is not there."""

    def read(self, name: str, offset: int) -> bytes:
        """The bytes of a file from ``offset`` on; empty when there are no more or no such file."""

    def start(self, command: Sequence[str], log: str) -> str:
        """Start a program that survives this connection; its output goes to the file ``log``. Returns its handle."""

    def alive(self, handle: str) -> bool:
        """Whether the program of ``start`` still runs."""

    def release(self) -> str:
        """Give the machine back; calling it twice is no error. What was done, and how to stop paying, in one line."""

    def close(self) -> None:
        """End the connection and keep the machine."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """``close``."""


class Driver(Protocol):
    """A driver plug-in."""

    TITLE: str  # what it reaches, in words
    RELEASES: bool  # whether release() ends what costs money; False: only the person can

    # Optional
    MANUAL: bool  # a person carries the files: there is hand_over and find_archive, and no open; default False

    IMAGES: bool  # its machines can run steps in a container image (remote.image); default False

    def find_problems(self, settings: Slice) -> list[Problem]:
        """What stops it on this machine, found without a connection: a missing program, a key that is not set."""

    # Optional: check_machine(settings) -> [Problem]: whether the machine answers, in seconds and without leasing one

    def open(self, settings: Slice, lease: Lease | None, keep: Callable[[Lease], None]) -> Machine:
        """Reach the machine of ``lease``, or get one.

        Args:
            settings: slice with ``remote`` and ``project``.
            lease: of an earlier step; ``None``: a new machine.
            keep: is called with the lease as soon as there is one, before the first use.

        Raises:
            RemoteError: of kind ``lost`` when the machine of ``lease`` is gone.
        """

    def hand_over(self, settings: Slice, bundle: Path, command: Sequence[str], folder: Path) -> str:
        """Only where MANUAL: write what a person takes along into ``folder``; what to do with it, in a few lines."""

    def find_archive(self, settings: Slice, folder: Path) -> Path | None:
        """Only where MANUAL: the archive that came back, or ``None``."""


def get_driver(name: str) -> Driver:
    """The plug-in. Raises GaslampError with the nearest names when there is none."""
    return cast(Driver, registry.get("drivers", name))


def is_manual(name: str) -> bool:
    """Whether a person carries the files (``MANUAL``)."""
    return bool(getattr(get_driver(name), "MANUAL", False))

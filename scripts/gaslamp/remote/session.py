"""A project's connection to its machine: the lease that survives a kill, calls that are tried again, the lines."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from gaslamp.config.backends import get_backend
from gaslamp.config.slices import Slice
from gaslamp.core.console import get_duration, say
from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.core.files import lock
from gaslamp.core.workflow_state import find_owner
from gaslamp.remote import lines
from gaslamp.remote.driver import CommandFailed, Driver, Lease, Machine, RemoteError, get_driver
from gaslamp.remote.image import enter_image
from gaslamp.remote.place import FOLDER, LEASE, get_used

ANSWER = "scripts/answer_remote.py"
LONGEST_PAUSE = 30.0  # seconds between two tries
CALL = 120.0  # seconds for a short call

T = TypeVar("T")
One = TypeVar("One", bound=lines.Line)


def get_driver_name(settings: Slice) -> str:
    """The driver of the config, or that of the profile's backend (``DRIVER``)."""
    if settings.remote.driver != "auto":
        return str(settings.remote.driver)
    return str(getattr(get_backend(settings.backend), "DRIVER", settings.backend))


def read_lease() -> Lease | None:
    """The machine that the project uses now."""
    return Lease.read(LEASE) if LEASE.is_file() else None


class Session:
    """An open machine.

    Args:
        settings: slice with backend, method, remote and project.
        driver_name: default: that of the config.
        patience: seconds in which faults of the network are tried again; default: remote.patience_minutes.
    """

    def __init__(self, settings: Slice, driver_name: str | None = None, patience: float | None = None) -> None:
        self.settings = settings
        self.driver_name = driver_name or get_driver_name(settings)
        self.driver: Driver = get_driver(self.driver_name)
        self.patience = 60.0 * float(settings.remote.patience_minutes) if patience is None else patience
        self._owner_gone = find_owner(Path.cwd())
        self.machine: Machine = self.retry(self._open)

    def _open(self, lost: str = "") -> Machine:
        """The machine of the lease, or a new one where there is none or it began at ``lost``."""
        # steps at the same time use one machine: the second finds the lease of the first
        with lock(FOLDER / "lease.lock", "another step opens the machine; waiting"):
            return self._find_machine(lost)

    def _find_machine(self, lost: str) -> Machine:
        lease = read_lease()
        if lease and lease.started == lost:
            lease = None
        if lease and lease.driver == self.driver_name:
            try:
                return self._enter(self.driver.open(self.settings, lease, self.keep))
            except RemoteError as error:
                if error.kind != "lost":
                    raise
                say(f"{error.cause}: {error.fix}")
        elif lease:
            raise GaslampError(
                f"this project still uses {lease.machine} through the driver {lease.driver}",
                "make remote-stop first: it ends what runs there and gives the machine back",
            )
        LEASE.unlink(missing_ok=True)
        return self._enter(self.driver.open(self.settings, None, self.keep))

    def _enter(self, machine: Machine) -> Machine:
        """The image of the config on that machine."""
        try:
            return enter_image(machine, self.settings.remote.image, self.keep)
        except BaseException:
            machine.close()
            raise

    def keep(self, lease: Lease) -> None:
        """Write the lease; so soon that a machine is known after a kill."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        lease.details["profile"] = str(self.settings.backend)
        lease.write(LEASE)

    @property
    def lease(self) -> Lease:
        """Of the open machine."""
        return self.machine.lease

    def update_lease(self) -> None:
        """Write what was learned of the machine."""
        self.keep(self.lease)

    def refresh(self) -> None:
        """Take over what a step at the same time learned of the machine."""
        other = read_lease()
        if other and other.started == self.lease.started:
            self.lease.details |= other.details
            self.lease.python = self.lease.python or other.python
            self.lease.backend = self.lease.backend or other.backend
            self.lease.machine = other.machine

    def renew(self) -> None:
        """Forget a machine that is lost and get another, or the one that a step at the same time got already."""
        lost = self.lease.started
        with contextlib.suppress(GaslampError):
            self.machine.close()
        self.machine = self.retry(lambda: self._open(lost))

    def retry(self, call: Callable[[], T]) -> T:
        """Run ``call``, and again after a pause where that helps, until the patience ends."""
        begun, pause = time.monotonic(), 1.0
        while True:
            try:
                return call()
            except RemoteError as error:
                gone = time.monotonic() - begun
                if error.retry not in ("again", "wait") or gone + pause > self.patience:
                    raise
                self.require_owner()
                say(f"{error.cause}; trying again in {get_duration(pause)}")
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def require_owner(self) -> None:
        """Raise Interrupted when the Snakemake that started this step is gone: its next start follows by itself."""
        if self._owner_gone():
            raise Interrupted("the Snakemake that waited for it is gone", "the same command attaches again")

    def ask(self, kind: type[One], *arguments: str, timeout: float = CALL, stdin: str = "") -> One:
        """Call the other side and return its line.

        Raises:
            GaslampError: it printed an error of its own; cause and fixes are the ones over there.
        """
        command = [self.lease.python, ANSWER, *arguments]

        def call() -> One:
            return lines.parse(self.machine.run(command, timeout, stdin), kind)

        try:
            return self.retry(call)
        except CommandFailed as error:
            raise explain(error, self.lease) from error

    def release(self) -> None:
        """Give the machine back and forget it."""
        say(self.machine.release())
        LEASE.unlink(missing_ok=True)

    def describe(self) -> str:
        """``host (name), 12 min``"""
        return f"{self.lease.machine}, used for {get_used(self.lease.started)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.machine.close()


def explain(error: CommandFailed, lease: Lease) -> GaslampError:
    """The error of a program over there, with its own cause and fixes where it printed them."""
    found = read_error(error.output)
    if "No space left on device" in error.output:
        return RemoteError(
            "disk",
            f"the disk of {lease.machine} is full",
            f"free space in {lease.folder} there (make remote-shell), then the same command",
            "put remote.folder on a larger disk",
        )
    if found is None:
        return error
    cause, fix, other = found
    return GaslampError(f"{lease.machine}: {cause}", fix, other)


def read_error(output: str) -> tuple[str, str, str | None] | None:
    """Cause, usual and less likely fix of the last GaslampError that a program printed (core/errors.py)."""
    begin = output.rfind("error: ")
    while begin > 0 and output[begin - 1] != "\n":  # an error inside of another one
        begin = output.rfind("error: ", 0, begin)
    if begin < 0:
        return None
    text = output[begin + len("error: ") :]
    cause, usual, rest = text.partition("\n  usual fix:")
    if not usual:
        return None
    fix, _, other = rest.partition("\n  less likely fix:")
    return cause.strip(), fix.strip().split("\n")[0], other.strip().split("\n")[0] or None

"""``make remote-status``, ``remote-stop`` and ``remote-shell``."""

from __future__ import annotations

import os

from gaslamp.config.slices import Slice
from gaslamp.core.errors import GaslampError
from gaslamp.remote import lines
from gaslamp.remote.driver import get_driver, is_manual
from gaslamp.remote.place import get_used
from gaslamp.remote.session import CALL, Session, read_lease


def show_status(settings: Slice) -> int:
    """Print which machine is used, for how long, and what runs on it; returns the exit code."""
    lease = read_lease()
    if lease is None:
        print("this project uses no other machine now")
        return 0
    print(f"{lease.machine}: used for {get_used(lease.started)}, driver {lease.driver}")
    print(f"folder there: {lease.folder}; trains with {lease.backend or 'nothing yet'}")
    with _attach(settings) as session:
        if not session.lease.python:
            print("it is not set up yet")
            return 0
        running = session.ask(lines.Jobs, "jobs")
    for job in running.jobs:
        print(f"  {job}")
    return 0


def stop_machine(settings: Slice) -> int:
    """End what runs there, after it saved, and give the machine back."""
    if read_lease() is None:
        print("this project uses no other machine now")
        return 0
    with _attach(settings) as session:
        if session.lease.python:
            ended = session.ask(lines.Stopped, "stop", timeout=CALL * 4).ended
            print(f"stopped: {', '.join(ended)}" if ended else "nothing ran there")
        session.release()
    return 0


def end_run(settings: Slice, failed: bool = False) -> int:
    """After a run: give back what can be given back and is not kept; of the rest say how to stop paying.

    Args:
        settings: slice with backend, method, project and remote.
        failed: the run will be started again; a machine that only the person can give back is remembered.
    """
    lease = read_lease()
    if lease is None or is_manual(lease.driver):
        return 0
    if settings.remote.keep or (failed and not get_driver(lease.driver).RELEASES):
        used = f"{lease.machine} is still yours, used for {get_used(lease.started)}"
        print(f"{used}: the same command goes on there; make remote-stop ends what runs there")
        return 0
    with _attach(settings) as session:
        session.release()
    return 0


def end_failed_run(settings: Slice) -> int:
    """``end_run`` after a failure."""
    return end_run(settings, failed=True)


def open_shell(settings: Slice) -> int:
    """Replace this process by a terminal over there."""
    if read_lease() is None:
        raise GaslampError("this project uses no other machine now", "start a run with --profile ssh first")
    with _attach(settings) as session:
        get_shell = getattr(session.machine, "get_shell", None)
        if get_shell is None:
            raise GaslampError(f"the driver {session.driver_name} has no shell", "use the page of the provider")
        command: list[str] = get_shell()
    os.execvp(command[0], command)


def _attach(settings: Slice) -> Session:
    """The machine of the lease, whatever profile the config names now; it is tried once."""
    lease = read_lease()
    assert lease
    return Session(settings, driver_name=lease.driver, patience=0.0)

"""One part of a remote step, guarded: what is borrowed is given back after errors and Ctrl-C too."""

from __future__ import annotations

import contextlib
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.artefact import now
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.core.files import lock, write_json
from gaslamp.core.workflow_state import find_owner
from gaslamp.remote import lines
from gaslamp.remote.driver import is_manual
from gaslamp.remote.manual import run_manual
from gaslamp.remote.place import FOLDER
from gaslamp.remote.session import CALL, Session, get_driver_name, read_lease
from gaslamp.remote.steps import Trip
from gaslamp.remote.task import Task


def run_guarded(settings: Slice, task: Task, config: Path, part: str, out: Path | None, is_last: bool) -> None:
    """Run one part of a remote step.

    Args:
        settings: slice with backend, method, project and remote.
        task: what runs there.
        config: the merged config of the run.
        part: push, train, poll, pull, or run: all of them.
        out: file to write when it is done; ``None``: the outputs of the task are all.
        is_last: no later step of this run needs the machine.

    Raises:
        GaslampError: a fault that no retry helped against, or the error of the step over there.
        Interrupted: Ctrl-C; what to do next.
    """
    owner_gone = find_owner(Path.cwd())
    # a part whose Snakemake was killed lives on for a moment: two would start the task twice and mix their files
    with lock(FOLDER / f"{task.name}.lock", f"{task.name}: another process is at it; waiting"):
        if owner_gone():
            raise Interrupted("the Snakemake that waited for it is gone", "run the same command")
        if is_manual(get_driver_name(settings)):
            run_manual(settings, task, config, part)
        else:
            _run_driven(settings, task, config, part, is_last)
    if out:
        lease = read_lease()
        write_json(out, {"part": part, "task": task.name, "machine": lease.machine if lease else "", "time": now()})


def _run_driven(settings: Slice, task: Task, config: Path, part: str, is_last: bool) -> None:
    """One part with a machine that a driver reaches."""
    with Session(settings) as session:
        try:
            _run_part(Trip(session, task, config), part)
            if session.driver.RELEASES:
                session.require_owner()  # nobody is there to give the machine back later
        except KeyboardInterrupt:
            raise _stop(session, task, config) from None
        except GaslampError:
            if session.driver.RELEASES and not settings.remote.keep:
                _rescue(session, task, config)
            raise
        if is_last and not settings.remote.keep:
            session.release()


def _run_part(trip: Trip, part: str) -> None:
    if part == "push":
        trip.push()
    elif part == "train":
        trip.start()
    elif part == "poll":
        trip.finish()
    else:
        trip.pull()


def _stop(session: Session, task: Task, config: Path) -> Interrupted:
    """After Ctrl-C: a machine that costs money is given back, any other goes on."""
    if session.driver.RELEASES and not session.settings.remote.keep:
        _rescue(session, task, config)
        return Interrupted("interrupted", "the same command goes on, on a new machine, from the last checkpoint")
    return Interrupted(
        f"interrupted here; what was started goes on on {session.lease.machine}",
        "the same command attaches to it again; make remote-stop ends it",
    )


def _rescue(session: Session, task: Task, config: Path) -> None:
    """Bring the newest checkpoint home as far as that works, and give the machine back."""
    with contextlib.suppress(GaslampError):
        if session.lease.python:
            session.ask(lines.Stopped, "stop", timeout=CALL * 4)
            Trip(session, task, config).bring_state()
    try:
        session.release()
    except GaslampError as error:
        say(f"the machine was NOT given back: {error.cause}; make remote-stop tries again")

"""A step whose files a person carries: what to take along, and the archive that comes back."""

from __future__ import annotations

import time
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.workflow_state import find_owner
from gaslamp.remote.arrivals import unpack
from gaslamp.remote.bundle import make_bundle, write_archive
from gaslamp.remote.driver import get_driver
from gaslamp.remote.place import FOLDER
from gaslamp.remote.session import get_driver_name
from gaslamp.remote.task import Task

HANDED = Path("notebook")
"""What a person takes along; relative to the project. Browsers do not show folders that begin with a dot."""

REMIND = 300.0  # seconds between two lines that say what is waited for


def run_manual(settings: Slice, task: Task, config: Path, part: str) -> None:
    """One part of the step: push writes the bundle and says what to do, poll waits, pull unpacks.

    Raises:
        GaslampError: the archive lacks an output.
    """
    driver = get_driver(get_driver_name(settings))
    backend = settings.remote.backend if settings.remote.backend != "auto" else "cuda"
    if part in ("push", "run"):
        bundle = make_bundle(Path.cwd(), config, backend, task.inputs)
        HANDED.mkdir(parents=True, exist_ok=True)
        archive = HANDED / "bundle.tar.gz"
        write_archive(archive, bundle.files)
        say(driver.hand_over(settings, archive, task.there, HANDED))
    if part in ("poll", "run"):
        owner_gone = find_owner(Path.cwd())
        said = -REMIND
        while driver.find_archive(settings, HANDED) is None:
            if owner_gone():
                raise GaslampError("the Snakemake that waited is gone", "run the same command again")
            if time.monotonic() - said >= REMIND:  # other steps print below the instructions
                said = time.monotonic()
                say(f"waiting for the archive of {HANDED / 'train.ipynb'}, in {HANDED.absolute()} or ~/Downloads")
            time.sleep(float(settings.remote.poll_seconds))
    if part in ("pull", "run"):
        found = driver.find_archive(settings, HANDED)
        if found is None:
            raise GaslampError(f"no archive came back to {HANDED}", "run the same command: it waits for it")
        _unpack(found, task)


def _unpack(archive: Path, task: Task) -> None:
    wanted = [*task.outputs, *([task.metrics.as_posix()] if task.is_training else [])]
    arrival = unpack(archive, FOLDER / "incoming" / "unpacked", [Path(name) for name in wanted])
    if missing := arrival.find_missing(task.outputs):
        raise GaslampError(
            f"{archive} lacks {', '.join(missing)}", "run the last cell again and download the archive once more"
        )
    arrival.place(replaced=task.outputs)
    say(f"{', '.join(task.outputs)} came home")

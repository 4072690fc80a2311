"""Progress lines of steps that run on other machines of a cluster, through a file that all of them share."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from gaslamp.core.liveness import PROGRESS

FILE = Path(".gaslamp") / "progress.txt"
EVERY = 0.5  # seconds between two looks


def pass_progress_on() -> None:
    """In a job on another machine: its step writes its lines to the file of the project in the current folder."""
    os.environ[PROGRESS] = str(FILE.resolve())


def write_line(file: Path, line: str) -> None:
    """Append a line in one piece, as several steps do at the same time; without the file a step goes on."""
    try:
        with file.open("ab", buffering=0) as stream:
            stream.write(f"{line}\n".encode(errors="replace"))
    except OSError:
        pass  # the log of the step has everything


def follow_progress() -> None:
    """Empty the file, and print what steps write to it until this process ends, from a thread of its own."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(b"")
    threading.Thread(target=_follow, args=(FILE.resolve(),), daemon=True).start()


def _follow(file: Path) -> None:
    place = 0
    while True:
        time.sleep(EVERY)
        place = print_new(file, place)


def print_new(file: Path, place: int) -> int:
    """Print the whole lines behind ``place``; returns the place behind them."""
    try:
        with file.open("rb") as stream:
            stream.seek(place)
            whole = stream.read().rpartition(b"\n")[0]
    except OSError:
        return place
    if not whole:
        return place
    print(whole.decode(errors="replace"), file=sys.stdout, flush=True)
    return place + len(whole) + 1

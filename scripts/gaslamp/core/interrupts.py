"""Requests to stop: Ctrl-C, a scheduler's SIGTERM, a closed terminal; what a step and what Snakemake do about them.

One request may reach a process twice, from the terminal or the scheduler and from Snakemake, which passes it on to its
steps as SIGTERM (SIGINT would be a traceback in a step whose Python still starts). So two different signals are one
request, and SIGTERM that comes again within seconds is the same. Ctrl-C a second time, or SIGTERM later, is a second
request: to stop at once.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOGETHER = 10.0
"""Seconds within which two different signals are the same request."""
AGAIN = 5.0
"""Seconds within which a second SIGTERM is the first one, from elsewhere."""
SHELLS = ("bash", "sh", "dash", "zsh")
STOPPING = "stopping: what runs saves its work first (once more: stop at once)"


class Requests:
    """Counts the requests to stop that this process got.

    Attributes:
        count: requests so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._base, self._seen, self._last, self._terminated = 0, Counter[int](), -math.inf, -math.inf

    def note(self, number: int) -> bool:
        """Whether the signal ``number`` is a request of its own, and not one that was noted already."""
        now = time.monotonic()
        if number == signal.SIGTERM:
            is_same, self._terminated = now - self._terminated < AGAIN, now
            if is_same:
                return False
        if now - self._last > TOGETHER:
            self._base, self._seen = self.count, Counter()
        self._last = now
        self._seen[number] += 1
        is_new = self._base + self._seen[number] > self.count
        self.count += is_new
        return is_new


REQUESTS = Requests()
"""Those of this process."""


def catch(handler: Callable[[int, FrameType | None], object]) -> None:
    """Call ``handler`` for each signal that asks to stop, but for those that whoever started this process ignores.

    ``nohup`` ignores SIGHUP; a shell without job control ignores SIGINT for what it starts in the background.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # Python runs handlers in the main thread only
    own = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if os.getpid() != own:  # a fork, for example a worker of a data loader: as if nothing was caught
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        handler(number, frame)

    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)


def raise_interrupt(number: int, frame: FrameType | None) -> None:
    """The handler of a step: every request is what Ctrl-C is, so that it cleans up and says how to go on."""
    if REQUESTS.note(number):
        raise KeyboardInterrupt


def end_before_start(number: int, frame: FrameType | None) -> None:
    """The handler of Snakemake before its first job: it ends with a line instead of a traceback."""
    if REQUESTS.note(number):
        _print("interrupted before anything ran")
        raise SystemExit(130)


def is_stopping() -> bool:
    """Whether this process was requested to stop."""
    return REQUESTS.count > 0


def pass_on_to_steps() -> None:
    """Let Snakemake, which runs this, stop as a person expects it: no new job begins, those that run save their work.

    By itself Snakemake lets a training go on to its end after SIGTERM, and prints a traceback at the second Ctrl-C. The
    second request ends the steps at once, the third one kills them.
    """
    finish = signal.getsignal(signal.SIGTERM)  # Snakemake's own: begins no further job

    def handle(number: int, frame: FrameType | None) -> None:
        if not REQUESTS.note(number):
            return
        if REQUESTS.count == 1:
            _print(STOPPING)
            if callable(finish):  # takes a lock that this very thread may hold
                threading.Thread(target=finish, args=(number, frame)).start()
        pass_on(signal.SIGTERM if REQUESTS.count < 3 else signal.SIGKILL)

    catch(handle)


def pass_on(number: int) -> None:
    """Send ``number`` to the steps that this process started."""
    for step in find_steps():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(step, number)


def find_steps(parent: int | None = None) -> list[int]:
    """The process ids of what this process runs; a shell in between is passed over: it would end before its program.

    What was started in a session of its own (a dashboard, a server) goes on by itself and is none of them.
    """
    import psutil

    found: list[int] = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(parent).children():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getsid(child.pid) == os.getsid(0):
                    found += (find_steps(child.pid) or [child.pid]) if child.name() in SHELLS else [child.pid]
    return found


def _print(text: str) -> None:
    """Print a line, where anybody reads it; a handler must not fail, nor wait for a lock of a stream."""
    with contextlib.suppress(OSError, ValueError):
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{text}\n".encode())

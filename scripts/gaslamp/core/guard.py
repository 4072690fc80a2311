"""A child process that does not outlive its parent, however the parent ends.

The parent holds the write end of a pipe; a small program of its own waits at the read end. The system closes the pipe
when the parent ends, by SIGKILL too, and the program then ends the child. It works on every system, and whichever
thread started the child.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import TracebackType


class Guard:
    """Ends a process when this one has ended; ``close`` it after that process has ended by itself.

    Args:
        process: id of a child of this process.
    """

    def __init__(self, process: int) -> None:
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(process)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C or a kill of the whole group leaves it alive to do its work
        )

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the watch. A child that still runs is ended with it."""
        if self._watcher.stdin and not self._watcher.stdin.closed:
            self._watcher.stdin.close()
        self._watcher.wait(timeout=30)


def watch(process: int) -> None:
    """Wait until standard input ends, then end ``process``."""
    try:
        # on Linux a handle, so that another process that gets the same id later is never hit
        handle = os.pidfd_open(process) if hasattr(os, "pidfd_open") else None
    except ProcessLookupError:
        return
    while os.read(0, 4096):
        pass
    try:
        if handle is not None and hasattr(signal, "pidfd_send_signal"):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        else:
            os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended before


if __name__ == "__main__":
    watch(int(sys.argv[1]))

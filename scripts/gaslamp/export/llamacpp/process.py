"""Find and stop a process that this program started: by its number and its start time, never by its name."""

from __future__ import annotations

import psutil


def find_process(pid: int, created: float) -> psutil.Process | None:
    """The process ``pid`` that was started at ``created`` (Unix time); None when it ended or the number was reused."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def stop_process(pid: int, created: float) -> bool:
    """End process ``pid`` if it was started at ``created`` (after 10 s by kill); returns whether it was running."""
    process = find_process(pid, created)
    if process is None:
        return False
    try:
        process.terminate()
        try:
            process.wait(10)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(10)
    except psutil.NoSuchProcess:
        pass  # it ended by itself in the meantime
    return True

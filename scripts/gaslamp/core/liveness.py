"""Whether a process that recorded itself still runs."""

from __future__ import annotations

TOLERANCE = 2.0  # seconds between the start of a process and the time that it recorded


def is_alive(pid: object, started: float) -> bool:
    """Whether the process ``pid`` still runs and had started by ``started``; a later one with that number is another.

    Args:
        pid: its number; anything but a positive integer is no process.
        started: Unix time (seconds) at which it recorded itself.
    """
    import psutil

    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        process = psutil.Process(pid)
        return float(process.create_time()) <= started + TOLERANCE and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False

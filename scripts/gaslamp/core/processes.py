"""Several processes of one training, one for each GPU: how they start, which one writes files, which one decides.

Accelerate, inside the trainer, splits the batches and sums the gradients. Only the first process writes files, events
and progress lines.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeVar

from gaslamp.core.interrupts import Requests, catch
from gaslamp.core.ports import get_private_port

T = TypeVar("T")
GRACE = 60.0  # seconds in which the other processes may save after one has failed


def get_rank() -> int:
    """The number of this process, 0 for the first and for a training of one process."""
    return int(os.environ.get("RANK", "0"))


def get_local_rank() -> int:
    """The GPU that belongs to this process."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def get_count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process writes files, events and progress lines."""
    return get_rank() == 0


def run_all(count: int, arguments: list[str]) -> int:
    """Run this very script ``count`` times together; the exit code of the first that failed, or 0.

    torch.distributed.run does the same, but prints tracebacks of its own when it is terminated.

    Args:
        count: processes on this machine.
        arguments: script and its arguments, as in sys.argv.
    """
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(get_private_port()),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments], env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        )
        for rank in range(count)
    ]

    def end_all(number: int) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    requests = Requests()
    catch(lambda number, frame: end_all(signal.SIGTERM) if requests.note(number) else None)
    deadline = None
    while any(process.poll() is None for process in processes):
        if deadline is None and any(process.poll() for process in processes):
            deadline = time.monotonic() + GRACE  # the others would wait for the one that is gone
        if deadline is not None and time.monotonic() > deadline:
            end_all(signal.SIGKILL)
        time.sleep(0.2)
    return next((process.returncode if process.returncode > 0 else 1 for process in processes if process.returncode), 0)


def is_running(process: int) -> bool:
    """Whether a process of this machine has that number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # of another user
    return True


def get_log(log: Path) -> Path:
    """The log of a process that is not the first."""
    return log.with_name(f"{log.stem}.process{get_rank()}{log.suffix}")


def agree(value: T) -> T:
    """The ``value`` of the first process, in all: when to save or stop must be one decision, or they deadlock."""
    if get_count() == 1:
        return value
    from torch import distributed

    values = [value]
    if distributed.is_initialized():
        distributed.broadcast_object_list(values, src=0)
    return values[0]

"""Several processes of one training, one for each GPU: how they are started, who writes, and who decides.

Accelerate, inside the trainer, splits the batches and adds the gradients. Files, events and progress lines come from the first process alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TypeVar

from gaslamp.core.ports import get_private_port

T = TypeVar("T")
GRACE = 60.0  # seconds that the others get to save when one process has ended with an error


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

    torch.distributed.run does the same, but answers a termination with tracebacks of its own on the terminal of a person.

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

    def end_all(number: int, frame: Any = None) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    signal.signal(signal.SIGTERM, end_all)
    signal.signal(signal.SIGINT, lambda number, frame: None)  # Ctrl-C reaches the whole group by itself
    patience = None
    while any(process.poll() is None for process in processes):
        if patience is None and any(process.poll() for process in processes):
            patience = time.monotonic() + GRACE  # the others would wait for the one that is gone
        if patience is not None and time.monotonic() > patience:
            end_all(signal.SIGKILL)
        time.sleep(0.2)
    return next((process.returncode if process.returncode > 0 else 1 for process in processes if process.returncode), 0)


def get_log(log: Path) -> Path:
    """Where a process that is not the first writes what it would say."""
    return log.with_name(f"{log.stem}.process{get_rank()}{log.suffix}")


def agree(value: T) -> T:
    """The first process's ``value``, in all of them: whether to save or to stop must be one decision, or they wait for ever."""
    if get_count() == 1:
        return value
    from torch import distributed

    values = [value]
    if distributed.is_initialized():
        distributed.broadcast_object_list(values, src=0)
    return values[0]

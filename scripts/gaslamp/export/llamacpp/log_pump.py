"""Copy standard input to a log file of limited size: at the limit FILE becomes FILE.1 and a new FILE begins.

A program of its own, standard library only: it reads what a server in the background prints, so that the server never
waits for a full pipe and its log never fills the disk. It ends when the server ends.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

LIMIT = 4_000_000
"""Bytes of one file; with FILE.1 a log takes at most twice as much."""


def pump(source: BinaryIO, path: str, limit: int) -> None:
    """Copy ``source`` to ``path`` until it ends; each of ``path`` and ``path``.1 holds at most ``limit`` bytes."""
    size, handle = 0, open(path, "wb", buffering=0)  # noqa: SIM115 - it changes while the loop runs
    try:
        while chunk := os.read(source.fileno(), min(65536, limit)):
            if size + len(chunk) > limit:
                handle.close()
                os.replace(path, f"{path}.1")
                size, handle = 0, open(path, "wb", buffering=0)  # noqa: SIM115
            handle.write(chunk)
            size += len(chunk)
    finally:
        handle.close()


if __name__ == "__main__":
    pump(sys.stdin.buffer, sys.argv[1], int(sys.argv[2]))

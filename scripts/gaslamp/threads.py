"""Threads and noise of a process that will import torch: set before the import. Apart from the backends, because evaluation uses it too."""

from __future__ import annotations

import os


def prepare_process() -> None:
    """Set what must stand before torch is imported.

    Waiting threads sleep instead of spinning: with another process on the same cores the same training steps took 16 s
    against 55 s. Snakemake counts one thread for the step, so all cores are named here.
    """
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ["OMP_NUM_THREADS"] = str(os.cpu_count() or 1)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

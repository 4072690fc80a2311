"""Threads and log noise of a process that will import torch: set before the import, for training and evaluation."""

from __future__ import annotations

import os
import sys

from gaslamp.core.decisions import Decision
from gaslamp.core.processes import get_count

BUSY_PERCENT = 20.0
LOOK = 0.5
"""Seconds over which the load is measured."""
PATIENCE = 8.0
"""Seconds that a step of minutes waits for others to end before it takes the machine for a busy one."""


_chosen: dict[int, Decision] = {}


def prepare_process(patience: float = 0.0) -> Decision:
    """Set the environment variables that torch reads at import, and return the choice of threads.

    PyTorch's waiting threads spin. On a quiet machine that is fastest: 1.75 s a step against 2.2 s when they sleep.
    With another process on the same cores (llama.cpp being built) it is far slower: the same steps took 55 s against
    16 s. So the load is measured for half a second first, unless there is one thread, which never waits, or torch has
    read the choice of an earlier call already. What computes at that moment may be a step of seconds of the same graph:
    a long step looks again before it lets its threads sleep to the end.
    Snakemake counts one thread for the step, so the number of cores is set here.

    Args:
        patience: seconds to look again while the machine is busy; ``PATIENCE`` for steps of minutes.
    """
    import psutil

    # what this process may use: fewer than the machine has in a container or under taskset
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = max(1, cores // get_count())
    for library in ("OMP", "MKL", "OPENBLAS", "VECLIB", "NUMEXPR"):  # Snakemake set each to the step's counted threads
        os.environ[f"{library}_NUM_THREADS"] = str(cores)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    if "torch" in sys.modules and cores in _chosen:
        return _chosen[cores]
    if "OMP_WAIT_POLICY" in os.environ:
        policy, reason = os.environ["OMP_WAIT_POLICY"], "set by OMP_WAIT_POLICY"
    elif cores == 1:
        policy, reason = "active", "this process has one core: no thread waits for another"
    else:
        load, looks = psutil.cpu_percent(interval=LOOK), 1
        while load > BUSY_PERCENT and looks * LOOK < patience:
            load, looks = psutil.cpu_percent(interval=LOOK), looks + 1
        after = f" for {looks * LOOK:g} s" if load > BUSY_PERCENT else f" after {looks * LOOK:g} s" if looks > 1 else ""
        if load > BUSY_PERCENT:
            os.environ["OMP_WAIT_POLICY"] = policy = "passive"
            reason = f"other processes use {load:.0f} % of the processor{after}"
        else:
            policy, reason = "active", f"the machine is idle{after} ({load:.0f} % used by other processes)"
    _chosen[cores] = Decision(name="threads", value=f"{cores}, {policy} while they wait", reason=reason)
    return _chosen[cores]

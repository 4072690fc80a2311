"""A clock that jumps between two commands of one run."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time

from faults.bench import Bench, Trial, check_output, find_processes

ABOUT = "a clock that is set forward or back between two commands of one run"
OFFSETS = ("+2h", "+3d", "+400d", "-2h", "-3d", "-400d")


def run(bench: Bench, random: random.Random) -> Trial:
    """The first half of a run at another time than the second."""
    if not shutil.which("faketime"):
        return Trial("another time", faults=0, skipped="faketime is not installed")
    with bench.copy("clock") as project:
        offset, point = random.choice(OFFSETS), bench.cut(project, random)
        prefix = ["faketime", "-f", offset]
        # waits go by another clock; files have the time of the disk
        variables = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        trial = Trial(f"from {point} on, first at {offset}, then now")
        running = bench.start(project, prefix=prefix, variables=variables)
        time.sleep(random.uniform(3, 1.2 * sum(bench.seconds.values())))
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.killpg(running.process.pid, random.choice((signal.SIGKILL, signal.SIGTERM)))
        check_output(bench.wait(running), trial, must_end_well=False)
        deadline = time.monotonic() + 60
        while find_processes(project) and time.monotonic() < deadline:
            time.sleep(0.1)
        bench.finish(project, trial)
        return trial

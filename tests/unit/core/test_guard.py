"""A child ends with its parent, also when the parent was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from gaslamp.core.guard import Guard

SCRIPTS = Path(__file__).parents[3] / "scripts"
PARENT = """
import subprocess, sys, time
from gaslamp.core.guard import Guard
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
guard = Guard(child.pid)
print(child.pid, guard._watcher.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_killed_parent_takes_its_child_along(how: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(SCRIPTS)}
    )
    assert parent.stdout
    child, watcher = (psutil.Process(int(number)) for number in parent.stdout.readline().split())
    assert child.is_running() and watcher.is_running()
    getattr(parent, how)()
    parent.wait(90)
    gone, alive = psutil.wait_procs([child, watcher], timeout=90)
    assert not alive and len(gone) == 2
    parent.stdout.close()


def test_a_child_that_ended_is_let_go() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    with Guard(child.pid):
        assert child.wait(90) == 0


def test_the_end_of_the_watch_ends_a_child_that_still_runs() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with Guard(child.pid):
        assert child.poll() is None
    assert child.wait(90) == -9

"""Requests to stop: one request that arrives twice is one, steps clean up, and what began elsewhere is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import gaslamp
import pytest
from gaslamp.core import interrupts
from gaslamp.core.errors import IN_WORKFLOW, INTERRUPTED
from gaslamp.core.interrupts import AGAIN, TOGETHER, Requests

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
PATH = {**os.environ, "PYTHONPATH": str(Path(gaslamp.__file__).parents[1])}
PATIENCE = 90

STEP = """
import sys, time
from pathlib import Path
from gaslamp.core.errors import exit_with_help

def main():
    try:
        Path(sys.argv[1]).touch()
        time.sleep(600)
    finally:
        Path(sys.argv[1] + ".saved").touch()

exit_with_help(main)
"""
RUN = """
import signal, subprocess, sys
from gaslamp.core import interrupts

signal.signal(signal.SIGTERM, lambda number, frame: print("no further job", flush=True))
step = subprocess.Popen([sys.executable, *sys.argv[1:3]])
apart = subprocess.Popen(
    [sys.executable, sys.argv[1], sys.argv[3]],
    start_new_session=True,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
interrupts.pass_on_to_steps()
print(apart.pid, flush=True)
print("step", step.wait(), flush=True)
"""


@pytest.mark.parametrize(
    ("signals", "requests"),
    [
        ([INT], [1]),
        ([INT, TERM], [1, 0]),  # the terminal's, and the one that Snakemake passes on
        ([TERM, INT], [1, 0]),
        ([HUP, INT], [1, 0]),
        ([INT, INT], [1, 1]),
        ([INT, TERM, INT, TERM], [1, 0, 1, 0]),
        ([TERM, TERM, INT, INT], [1, 0, 0, 1]),
        ([TERM, TERM], [1, 0]),  # of a scheduler for the whole group, and Snakemake's
        ([HUP, TERM, INT, TERM], [1, 0, 0, 0]),
        ([INT, INT, INT], [1, 1, 1]),
    ],
)
def test_two_signals_of_one_request_are_one(signals: Sequence[int], requests: Sequence[int]) -> None:
    counter = Requests()
    assert [int(counter.note(number)) for number in signals] == requests
    assert counter.count == sum(requests)


def test_another_signal_later_is_another_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chat that Ctrl-C interrupted once still ends when it is killed."""
    now = 100.0
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: now)
    counter = Requests()
    assert counter.note(INT) and not counter.note(TERM)
    now += TOGETHER + 1
    assert counter.note(TERM) and not counter.note(INT) and counter.count == 2


def test_a_second_sigterm_is_a_request_when_it_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: now)
    counter = Requests()
    assert counter.note(TERM) and not counter.note(TERM)
    now += AGAIN + 1
    assert counter.note(TERM) and counter.count == 2


@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_a_run_passes_the_request_on_and_its_step_saves(tmp_path: Path, number: signal.Signals) -> None:
    """To the run alone, as a scheduler does; a server in a session of its own goes on."""
    (tmp_path / "step.py").write_text(STEP)
    (tmp_path / "run.py").write_text(RUN)
    step, apart = tmp_path / "step", tmp_path / "apart"
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "step.py"), str(step), str(apart)]
    run = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=PATH, start_new_session=True
    )
    assert run.stdout
    other = int(run.stdout.readline())
    try:
        while not (step.exists() and apart.exists()):
            assert run.poll() is None
            try:
                run.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
        run.send_signal(number)
        out, err = run.communicate(timeout=PATIENCE)
        assert Path(f"{step}.saved").exists() and not Path(f"{apart}.saved").exists()
        assert sorted(out.splitlines()) == ["no further job", "step 130"] and run.returncode == 0
        assert err.split("\n") == ["", interrupts.STOPPING, INTERRUPTED, ""]
        os.kill(other, 0)  # it lives
    finally:
        os.killpg(other, signal.SIGKILL)


@pytest.mark.parametrize(("variables", "said"), [({}, "interrupted\n"), ({IN_WORKFLOW: "1"}, "")])
def test_ctrl_c_while_a_script_imports_is_no_traceback(variables: dict[str, str], said: str) -> None:
    """In a step Snakemake has said it already; any other error keeps its traceback."""
    code = "import gaslamp, signal; signal.raise_signal(signal.SIGINT); import gaslamp.core.errors"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=PATH | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, said)
    code = "import gaslamp; raise ValueError('a bug')"
    done = subprocess.run([sys.executable, "-c", code], env=PATH, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("Traceback") and "ValueError: a bug" in done.stderr

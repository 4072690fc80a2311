"""Kills at random moments of every step, to the job, Snakemake, make, the whole group, or by closing the terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import signal
import threading
import time
from pathlib import Path

import psutil
from gaslamp.core.events import get_history, read_events
from gaslamp.core.files import read_jsonl

from faults.bench import COMMAND, SETTINGS, TRACEBACK, Bench, Trial, find_processes

ABOUT = "kills of job, Snakemake, make, process group, and a closed terminal, at random moments of random steps"
TARGETS = ("job", "snakemake", "make", "group", "terminal")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOST = 6
"""Kills of one run."""
METRICS = Path("logs/main/train.metrics.jsonl")
SOON = 180.0
"""Seconds in which all of a run must have ended after a request to stop, or when its parent is gone."""


class Terminal:
    """The command at a terminal of its own."""

    def __init__(self, bench: Bench, project: Path) -> None:
        environ = bench.get_environ(project)
        self.pid, self._screen = pty.fork()
        if not self.pid:
            os.chdir(project)
            os.execvpe(COMMAND[0], list(COMMAND), environ)
        self._parts: list[bytes] = []
        self._code: int | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._screen, 65536):
                self._parts.append(data)

    @property
    def text(self) -> str:
        """All that it printed."""
        return b"".join(self._parts).decode(errors="replace")

    def has_ended(self) -> bool:
        """Whether make has ended."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = status
        return self._code is not None

    def close(self) -> None:
        """Close the terminal: who reads from it, and the foreground group, get SIGHUP."""
        with contextlib.suppress(OSError):
            os.close(self._screen)


def run(bench: Bench, random: random.Random) -> Trial:
    """One run that is killed up to MOST times, and then goes on to its end."""
    with bench.copy("kills") as project:
        point = bench.cut(project, random)
        trial = Trial(f"from {point} on: ", faults=0)
        for _ in range(random.randint(1, MOST)):
            how = random.choice(TARGETS), random.choice(SIGNALS)
            step, share = random.choice(bench.get_ahead(project, point) or [""]), random.random()
            if not step or not kill_once(bench, project, trial, step, share, how) or trial.problems:
                break
        bench.finish(project, trial)
        return trial


def kill_once(
    bench: Bench, project: Path, trial: Trial, step: str, share: float, how: tuple[str, signal.Signals]
) -> bool:
    """Start the command, and kill it when ``step`` has gone on for ``share`` of its time; False: it ended before."""
    target, number = how
    before = count_starts(project, step)
    terminal = Terminal(bench, project)
    try:
        while count_starts(project, step) == before:
            if terminal.has_ended():
                return False
            time.sleep(0.02)
        time.sleep(bench.seconds[step] * share)
        training = [event["step"] for event in get_history(read_events(project / METRICS))][-1:]
        name = "closed terminal" if target == "terminal" else f"{number.name} to {target}"
        if not send(terminal, project, target, number):
            return not terminal.has_ended()
        trial.faults += 1
        trial.what += f"{name} in {step}; "
        wait_for_end(terminal, project, trial, name)
        if TRACEBACK in terminal.text:
            trial.problems.append(
                f"{name} in {step}: a traceback: {terminal.text[terminal.text.index(TRACEBACK) :][:1500]}"
            )
        if training and step == "train_model" and (lost := get_lost(project, training[0])):
            trial.problems.append(f"{name} in {step}: {lost}")
        return True
    finally:
        terminal.close()


def send(terminal: Terminal, project: Path, target: str, number: signal.Signals) -> bool:
    """Send the signal; False where what it was meant for has just ended."""
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        if target == "terminal":
            terminal.close()
            return True
        family = psutil.Process(terminal.pid).children(recursive=True)
        lines = [(process, " ".join(process.cmdline())) for process in family]
        found = {
            "make": [psutil.Process(terminal.pid)],
            "snakemake": [process for process, line in lines if "snakemake" in line and "--profile" in line][:1],
            "job": [process for process, line in lines if " scripts/" in line and "snakemake" not in line][-1:],
        }
        if target == "group":
            os.killpg(terminal.pid, number)
            return True
        for process in found[target]:
            process.send_signal(number)
            return True
    return False


def wait_for_end(terminal: Terminal, project: Path, trial: Trial, name: str) -> None:
    """All of the run ends soon, whoever of it was killed: no work goes on that nobody waits for.

    What a killed make leaves behind, a living Snakemake, gets the signal that its message names.
    """
    deadline = time.monotonic() + SOON
    while not terminal.has_ended():
        if time.monotonic() > deadline:
            trial.problems.append(f"{name}: make goes on after {SOON:.0f} s")
            return
        time.sleep(0.05)
    for process in find_processes(project):
        with contextlib.suppress(psutil.Error):
            if "snakemake" in " ".join(process.cmdline()) and name.endswith("make") and "KILL" in name:
                process.terminate()
    while left := find_processes(project):
        if time.monotonic() > deadline:
            trial.problems.append(f"{name}: still running {SOON:.0f} s later: {left[0].cmdline()[:4]}")
            return
        time.sleep(0.1)


def count_starts(project: Path, step: str) -> int:
    """How often a step was started."""
    file = project / "logs" / "phases.jsonl"
    try:
        return sum(event["event"] == "start" and event["step"] == step for event in read_jsonl(file))
    except (OSError, ValueError):
        return 0  # a line that is being written


def get_lost(project: Path, reached: int) -> str:
    """What of a training is lost beyond the steps between two checkpoints; empty: nothing."""
    folders = [folder for folder in (project / "checkpoints" / "main").glob("*/checkpoint-*") if folder.is_dir()]
    newest = max((int(folder.name.split("-")[1]) for folder in folders), default=0)
    every = SETTINGS["train.save_steps"]
    finished = (project / "outputs" / "main" / "train.json").is_file()
    return "" if finished or reached - newest <= every else f"step {reached} was reached, checkpoint-{newest} is kept"

"""The finished project that every trial begins with a copy of, and what each command of a trial must hold."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import tiny
from gaslamp.core.files import get_cache_dir, read_jsonl

COMMAND = ("make", "run", "PROFILE=cpu")
PATIENCE = 900.0
"""Seconds after which a command counts as hanging, on a machine that does other things too."""
RESULTS = (
    *("data/train.jsonl", "data/valid.jsonl", "data/test.jsonl", "data/template.json"),
    *("outputs/main/adapters/*.safetensors", "outputs/main/merged/*.safetensors", "outputs/main/gguf/model-*.gguf"),
    *("outputs/main/eval/*.predictions.jsonl", "outputs/main/eval/verdict.json"),
)
"""What the same run must end with, byte by byte."""
TRACEBACK = "Traceback (most recent call last)"
SETTINGS = tiny.SETTINGS | {"train.max_steps": 60, "train.save_steps": 5}


@dataclass
class Trial:
    """One disturbed run.

    Attributes:
        what: what was done to it, for the report.
        problems: promises that it broke; empty: it held.
        faults: how many faults it had.
        skipped: why this machine cannot do it, or nothing.
    """

    what: str
    problems: list[str] = field(default_factory=list)
    faults: int = 1
    skipped: str = ""


@dataclass(frozen=True)
class Running:
    """A command that runs, and the file that gets what it says."""

    process: subprocess.Popen[bytes]
    out: Path


@dataclass
class Bench:
    """The finished project and a place for copies of it.

    Attributes:
        folder: of the campaign; every trial has one of its own in it.
        base: a project whose whole run was not disturbed.
        expected: its results: path -> sha256.
        seconds: how long each of its steps took.
    """

    folder: Path
    base: Path
    expected: dict[str, str]
    seconds: dict[str, float]
    count: int = 0

    @classmethod
    def make(cls, folder: Path, base: Path | None = None) -> Bench:
        """With a finished project ``base``, or with one that is made here (about two minutes)."""
        folder.mkdir(parents=True, exist_ok=True)
        if base is None:
            made = folder / "base" / "made.txt"
            if not made.is_file():
                shutil.rmtree(made.parent, ignore_errors=True)
                model, data = tiny.write_checkpoint(made.parent / "tiny-chat"), tiny.write_rows(made.parent / "a.csv")
                project = tiny.bake(made.parent / "projects", data, model, SETTINGS)
                bench = cls(folder, project, {}, {})
                done = bench.run(project, home=made.parent / "home")
                if done.returncode:
                    raise RuntimeError(f"the undisturbed run failed:\n{done.stdout[-3000:]}")
                made.write_text(str(project), encoding="utf-8")
            base = Path(made.read_text(encoding="utf-8"))
        return cls(folder, base, get_results(base), get_seconds(base))

    @contextlib.contextmanager
    def copy(self, kind: str) -> Iterator[Path]:
        """A copy of the finished project for a trial; what it started is ended with it."""
        self.count += 1
        place = self.folder / f"{kind}-{self.count}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        project = tiny.copy_project(self.base, place)
        try:
            yield project
        finally:
            for process in find_processes(project):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            shutil.rmtree(place, ignore_errors=True)

    def get_environ(self, project: Path, home: Path | None = None) -> dict[str, str]:
        """With this interpreter's programs, a memory and a cache of the trial's own, and the toolchain of the user."""
        cache = self.folder / "cache"
        if not cache.exists():
            cache.mkdir()
            (cache / "llama.cpp").symlink_to(get_cache_dir() / "llama.cpp")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environ = tiny.get_environ(home or project.parent / "home", PATH=path, GASLAMP_CACHE=str(cache))
        return {key: value for key, value in environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}

    def start(
        self,
        project: Path,
        home: Path | None = None,
        prefix: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
        variables: Mapping[str, str] | None = None,
    ) -> Running:
        """The command, in the background."""
        self.count += 1
        out = self.folder / f"{self.count}.out"
        with out.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(
                [*prefix, *command],
                cwd=project,
                env=self.get_environ(project, home) | dict(variables or {}),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Running(process, out)

    def wait(self, running: Running) -> subprocess.CompletedProcess[str]:
        """How it ended, and all that it said; code 124 when it hangs."""
        process = running.process
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = 124
        text = running.out.read_text(encoding="utf-8", errors="replace")
        running.out.unlink()
        return subprocess.CompletedProcess(list(COMMAND), code, text, "")

    def run(self, project: Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """The command, to its end."""
        return self.wait(self.start(project, **options))

    def finish(self, project: Path, trial: Trial, home: Path | None = None) -> None:
        """Run the command undisturbed: it must end well, with the results of the run that nothing disturbed."""
        done = self.run(project, home=home)
        check_output(done, trial, must_end_well=True)
        if done.returncode:
            return
        found = get_results(project)
        wrong = sorted(name for name in self.expected.keys() | found if self.expected.get(name) != found.get(name))
        if wrong:
            trial.problems.append(f"other results than the undisturbed run: {', '.join(wrong)}")

    def get_ahead(self, project: Path, point: str) -> list[str]:
        """The steps that a project, cut at ``point``, has not finished since; the training more often."""
        begins = {
            "data": "prepare_data",
            "train": "train_model",
            "evaluate": "compare_models",
            "export": "merge_adapters",
        }
        after = list(self.seconds)[list(self.seconds).index(begins[point]) :]
        ended = [Counter(get_ended(one)) for one in (self.base, project)]
        return [step for step in after if ended[0][step] >= ended[1][step] for _ in range(6 if "train" in step else 1)]

    def cut(self, project: Path, random: random.Random) -> str:
        """Take away the results from a random point on, so that the run has work to do; returns the point."""
        points = {
            "data": ["data/train.jsonl", "data/valid.jsonl", "data/test.jsonl", "data/card.json", "data/template.json"],
            "train": ["outputs/main/adapters", "outputs/main/train.json", "checkpoints/main", "logs/main"],
            "evaluate": ["outputs/main/eval"],
            "export": ["outputs/main/merged", "outputs/main/gguf"],
        }
        point = random.choices(list(points), [1, 3, 2, 3])[0]
        for name in list(points)[list(points).index(point) :]:
            for each in points[name]:
                remove(project / each)
        tiny.forget_seals(project)  # else the next command puts deleted rows back
        return point


def check_output(done: subprocess.CompletedProcess[str], trial: Trial, must_end_well: bool) -> None:
    """Note in ``trial`` what a command must never do."""
    last = " | ".join(line.strip() for line in done.stdout.splitlines()[-12:] if line.strip())[-600:]
    if done.returncode == 124:
        trial.problems.append(f"hangs: {last}")
    elif must_end_well and done.returncode:
        trial.problems.append(f"the same command ends with {done.returncode}: {last}")
    if TRACEBACK in done.stdout:
        trial.problems.append(f"a traceback: {done.stdout[done.stdout.index(TRACEBACK) :][-500:]}")


def get_results(project: Path) -> dict[str, str]:
    """sha256 of what a run ends with."""
    files = sorted(file for pattern in RESULTS for file in project.glob(pattern))
    return {file.relative_to(project).as_posix(): hashlib.sha256(read_result(file)).hexdigest() for file in files}


def read_result(file: Path) -> bytes:
    """What is compared of a file: its bytes; of predictions all but the time that each answer took."""
    if not file.name.endswith(".predictions.jsonl"):
        return file.read_bytes()
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in read_jsonl(file)]
    return json.dumps(rows).encode()


def get_seconds(project: Path) -> dict[str, float]:
    """How long each step of a project took, in the order in which they ended."""
    ends = [event for event in read_jsonl(project / "logs" / "phases.jsonl") if event["event"] == "end"]
    return {event["step"]: float(event["seconds"]) for event in ends}


def get_ended(project: Path) -> list[str]:
    """Each step that ended well, as often as it did."""
    events = read_jsonl(project / "logs" / "phases.jsonl")
    return [event["step"] for event in events if event["event"] == "end" and event["status"] == "ok"]


def remove(path: Path) -> None:
    """Delete a file or a folder, where there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def find_processes(project: Path) -> list[psutil.Process]:
    """Every process that works in the project."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(project) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found

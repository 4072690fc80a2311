"""Trainings as every screen shows them, built line by line from metrics.jsonl."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import deque
from pathlib import Path

from pydantic import ValidationError

from gaslamp.core.files import JsonObject
from gaslamp.core.finding import Finding, keep_consistent
from gaslamp.core.liveness import is_training_alive
from gaslamp.core.pace import get_pace, get_remaining
from gaslamp.report.dashboard.series import Series
from gaslamp.report.dashboard.tail import CHUNK, Tail

LAST_ROWS = 10
SAMPLES = 12
NUMBERS = (
    *("time", "step", "max_steps", "resumed_from", "loss", "valid_loss", "learning_rate", "grad_norm", "epoch"),
    *("epochs", "tokens", "seconds", "pid"),
)
"""Fields that every screen computes with."""
LARGEST = 1e18
_NOT_SERIES = {"time", "event", "key", "step", "pid"}


def _is_number(value: object) -> bool:
    """A number that can be computed with, or null."""
    return value is None or isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


class Training:
    """One training of a run: all events of one key, resumes included."""

    def __init__(self, run: str, key: str, root: Path = Path()) -> None:
        """An empty training of a run of the project in ``root``; ``key`` identifies its data and settings."""
        self.run, self.key, self.root = run, key, root
        self.starts: list[JsonObject] = []
        self.end: JsonObject | None = None
        self.series: dict[str, Series] = {}
        self.rows: deque[JsonObject] = deque(maxlen=LAST_ROWS)
        self.samples: deque[JsonObject] = deque(maxlen=SAMPLES)
        self.sampled = 0
        self.saves: list[int] = []
        self.findings: dict[str, Finding] = {}
        self.first_time = self.last_time = 0.0
        self.trained_seconds = 0.0  # of finished attempts
        self.tokens = 0.0
        self.step = 0
        self.changes = 0  # grows with every event
        self.cuts = 0  # grows when points were taken back: what a screen holds is then stale

    @property
    def id(self) -> str:
        """``run@key``: two trainings of one run with other settings are two."""
        return f"{self.run}@{self.key}"

    @property
    def start(self) -> JsonObject:
        """The newest start event, empty when the file has none."""
        return self.starts[-1] if self.starts else {}

    @property
    def method(self) -> str:
        """Name of the method; ``sft`` for a recording that does not name one."""
        return str(self.start.get("method", "sft"))

    @property
    def max_steps(self) -> int:
        """Steps that the training will take; 0 when unknown."""
        value = self.start.get("max_steps")
        return int(value) if isinstance(value, int | float) else 0

    def add(self, event: JsonObject) -> None:
        """Add one event of the file; unknown kinds, and texts where a number belongs, are ignored."""
        event = {name: value for name, value in event.items() if name not in NUMBERS or _is_number(value)}
        self.changes += 1
        now = event.get("time")
        if isinstance(now, int | float):
            self.first_time = self.first_time or now
            if event.get("event") == "start" and self.starts:
                self.trained_seconds += max(0.0, self.last_time - self.starts[-1].get("time", self.last_time))
            self.last_time = now
        kind = event.get("event")
        if kind == "start":
            self.starts.append(event)
            self.end = None
            self.findings.clear()  # the attempt that resumes finds what still stands again
            self._cut(int(event.get("resumed_from") or 0))
        elif kind == "step":
            self._add_step(event)
        elif kind == "eval":
            self._add_values(event, "valid/")
        elif kind == "sample":
            self.samples.append(event)
            self.sampled += 1
        elif kind == "finding":
            with contextlib.suppress(ValidationError):  # of a newer version: the rest of the recording is shown
                finding = Finding.model_validate(event.get("finding"))
                self.findings[finding.name] = finding
        elif kind == "finding_gone":
            self.findings.pop(str(event.get("name")), None)
        elif kind == "save":
            self.saves.append(int(event.get("step") or 0))
        elif kind == "end":
            self.end = event

    def _cut(self, step: int) -> None:
        cut = [series.cut(step) for series in self.series.values()]
        if any(cut):
            self.cuts += 1
        while self.rows and self.rows[-1].get("step", 0) > step:
            self.rows.pop()
        self.step = min(self.step, step)

    def _add_step(self, event: JsonObject) -> None:
        step = event.get("step")
        if not isinstance(step, int):
            return
        if step <= self.step:  # a step that was repeated: the later one counts
            self._cut(step - 1)
        self.step = step
        self.tokens += event.get("tokens") or 0
        self.rows.append(event)
        self._add_values(event, "")
        seconds, tokens = event.get("seconds"), event.get("tokens")
        if isinstance(seconds, int | float) and seconds > 0 and isinstance(tokens, int | float):
            self._get("tokens_per_second").add(step, tokens / seconds)

    def _add_values(self, event: JsonObject, prefix: str) -> None:
        step = int(event.get("step") or 0)
        for name, value in event.items():
            if name in _NOT_SERIES or name.endswith("_flag") or isinstance(value, bool):
                continue
            if isinstance(value, int | float) or (value is None and f"{name}_flag" in event):
                label = name if not prefix or name == "valid_loss" else prefix + name
                self._get(label).add(step, math.nan if value is None else value)

    def _get(self, name: str) -> Series:
        if name not in self.series:
            self.series[name] = Series()
        return self.series[name]

    # ------------------------------------------------------------------------------------------------- what is shown

    def get_status(self) -> tuple[str, str]:
        """``training``, ``completed``, ``interrupted``, ``error``, ``killed`` or ``waiting``, and the reason for it."""
        if self.end:
            return str(self.end.get("status", "completed")), str(self.end.get("reason") or "")
        if not self.starts:
            return "waiting", "no training has started"
        if is_training_alive(self.start, self.root):
            return "training", ""
        return (
            "killed",
            "its process ended without logging an end: the same command continues from the newest checkpoint",
        )

    def get_findings(self) -> list[Finding]:
        """What is wrong with it, the most certain first; no remedy contradicts another one."""
        return keep_consistent(self.findings.values())

    def get_elapsed(self, live: bool) -> float:
        """Seconds of training over all attempts."""
        until = time.time() if live else self.last_time
        return self.trained_seconds + max(0.0, until - float(self.start.get("time", until)))

    def get_seconds_per_step(self) -> float | None:
        """The present pace (core/pace.py)."""
        series = self.series.get("seconds")
        return get_pace(series.values) if series else None

    def get_remaining(self) -> float | None:
        """Estimated seconds to the last step."""
        series, measured = self.series.get("seconds"), self.series.get("valid/seconds")
        if series is None or not self.max_steps:
            return None
        between = list(measured.values) if measured else []
        pauses = sum(step > self.step for step in self.start.get("validations") or ()) if between else 0
        return get_remaining(series.values, self.max_steps - self.step, between, pauses)


class Metrics:
    """All trainings in the metrics files of a project (``logs/<run>/train.metrics.jsonl``)."""

    def __init__(self, root: Path) -> None:
        """Start with the project in ``root``; nothing is read yet."""
        self.root = root
        self.tails: dict[str, Tail] = {}
        self.trainings: dict[str, Training] = {}

    def poll(self) -> bool:
        """Read what was appended since the last call; True while there is more to read."""
        more = False
        found = {path.parent.name: path for path in self.root.glob("logs/*/train.metrics.jsonl")}
        for run in set(self.tails) - set(found):  # make clean-run
            del self.tails[run]
            self._forget(run)
        for run, path in found.items():
            tail = self.tails.setdefault(run, Tail(path))
            replaced, events = tail.read()
            if replaced:
                self._forget(run)
            for event in events:
                key = str(event.get("key", ""))
                training = self.trainings.setdefault(f"{run}@{key}", Training(run, key, self.root))
                training.add(event)
            more = more or (bool(events) and os.path.getsize(path) - tail.offset > CHUNK // 10)
        return more

    def read_all(self) -> None:
        """Read everything that is in the files now."""
        while self.poll():
            pass

    def _forget(self, run: str) -> None:
        self.trainings = {name: one for name, one in self.trainings.items() if one.run != run}

    def sort(self) -> list[Training]:
        """Those with a step or a start, the newest first."""
        known = [one for one in self.trainings.values() if one.starts or one.series]
        return sorted(known, key=lambda one: (one.start.get("time", 0.0), one.last_time), reverse=True)

    def find(self, name: str | None) -> Training | None:
        """A training by id, or the newest of a run by the run's name, or the newest of all."""
        if name in self.trainings:
            return self.trainings[name]
        return next((one for one in self.sort() if not name or one.run == name), None)

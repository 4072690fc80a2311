"""What the screens show of one training, as plain values for JSON: head, curves, and updates of both."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, TypedDict

from gaslamp.config.backends import get_unused_settings
from gaslamp.core import registry
from gaslamp.core.finding import Finding
from gaslamp.report.dashboard.panels import get_panels
from gaslamp.report.dashboard.series import POINTS, Points, Series
from gaslamp.report.dashboard.trainings import Training
from gaslamp.report.methods import describe_method
from gaslamp.report.settings_table import flatten

MAX_TEXT = 4000  # characters of a sample or a reason on a screen

Values = dict[str, float | None]
"""Logged name -> value; ``None`` for NaN and infinity."""


class Brief(TypedDict):
    """One line of the list of runs; times are Unix times in seconds."""

    id: str
    run: str
    key: str
    method: str
    status: str
    reason: str
    step: int
    max_steps: int
    loss: float | None  # smoothed
    started: float
    updated: float


class Head(Brief):
    """Everything about a training but its curves; times in seconds, memory in GB."""

    live: bool
    elsewhere: bool  # on another machine
    task: str
    multimodal: bool
    backend: str | None
    epoch: float | None
    epochs: float | None
    rows: int | None
    parameters: int | None
    attempts: int
    resumed_from: list[int]
    elapsed: float
    remaining: float | None
    seconds_per_step: float | None
    tokens: float
    tokens_per_second: float | None
    memory: Values
    checkpoints: list[int]
    settings: list[list[str]]
    panels: list[dict[str, object]]
    last: list[Values]
    samples: list[dict[str, object]]
    first: Values
    now: Values
    smoothed: Values
    findings: list[dict[str, object]]
    broken: dict[str, int]


class Snapshot(TypedDict):
    """Head and curves: for each series its forms ``raw`` and ``smooth`` as ``[steps, values]``."""

    head: Head
    series: dict[str, dict[str, Points]]


class Update(TypedDict):
    """What is new: the changed part of the head, and the new points of each series."""

    head: dict[str, object]
    series: dict[str, dict[str, Points]]


def get_brief(training: Training) -> Brief:
    """The line of a training in the list of runs."""
    status, reason = training.get_status()
    loss = training.series.get("loss")
    return {
        "id": training.id,
        "run": training.run,
        "key": training.key,
        "method": training.method,
        "status": status,
        "reason": reason[:MAX_TEXT],
        "step": training.step,
        "max_steps": training.max_steps,
        "loss": _round(loss.get_smoothed() if loss else None),
        "started": training.starts[0].get("time", 0.0) if training.starts else training.first_time,
        "updated": training.last_time,
    }


def get_head(training: Training) -> Head:
    """Everything about a training but its curves: progress, pace, memory, charts, last rows, samples."""
    status, reason = training.get_status()
    start, live = training.start, status == "training"
    last = training.rows[-1] if training.rows else {}
    method = describe_method(training.method)
    speed = training.series.get("tokens_per_second")
    memory = training.series.get("memory_gb")
    panels = get_panels(training)
    return {
        **get_brief(training),
        "live": live,
        "elsewhere": bool(start.get("remote")),
        "task": method.title,
        "multimodal": method.multimodal,
        "backend": start.get("backend"),
        "epoch": last.get("epoch"),
        "epochs": _get_epochs(training, last),
        "rows": start.get("rows"),
        "parameters": start.get("parameters"),
        "attempts": len(training.starts),
        "resumed_from": [one["resumed_from"] for one in training.starts if one.get("resumed_from")],
        "elapsed": round(training.get_elapsed(live), 1),
        "remaining": _round(training.get_remaining()) if live else None,
        "seconds_per_step": _round(training.get_seconds_per_step()),
        "tokens": training.tokens,
        "tokens_per_second": _round(speed.get_smoothed() if speed else None),
        "memory": {"peak": _round(memory.last() if memory else None), **_get_memory(start)},
        "checkpoints": training.saves[-5:],
        "settings": flatten(_get_settings(start)),
        "panels": [asdict(panel) for panel in panels],
        "last": [
            {name: _round(value) for name, value in row.items() if isinstance(value, int | float) or value is None}
            for row in training.rows
        ],
        "samples": [_get_sample(sample) for sample in training.samples],
        "first": {
            name: _round(next((value for value in one.values if value == value), None))
            for name, one in training.series.items()
            if name in ("loss", "valid_loss", "reward")
        },
        "now": {name: _round(one.last()) for name, one in training.series.items()},
        "smoothed": {
            name: _round(training.series[name].get_smoothed()) for name in ("loss", "reward") if name in training.series
        },
        "findings": [_get_finding(finding) for finding in training.get_findings()],
        "broken": {name: one.broken for name, one in training.series.items() if one.broken},
    }


def _get_epochs(training: Training, last: dict[str, Any]) -> float | None:
    """Total epochs, extrapolated from the steps so far: max_steps may end a training before its planned epochs."""
    epoch, step = last.get("epoch"), last.get("step")
    if isinstance(epoch, int | float) and epoch > 0 and isinstance(step, int) and step > 0 and training.max_steps:
        return round(epoch * training.max_steps / step, 2)
    planned = training.start.get("epochs")
    return float(planned) if isinstance(planned, int | float) else None


def _get_memory(start: dict[str, Any]) -> dict[str, float]:
    memory = start.get("memory")
    return (
        {key: value for key, value in memory.items() if isinstance(value, int | float)}
        if isinstance(memory, dict)
        else {}
    )


def _get_finding(finding: Finding) -> dict[str, object]:
    """What a screen says about a finding."""
    remedies = [remedy.text[:MAX_TEXT] for remedy in finding.remedies]
    return {"name": finding.name, "severity": finding.severity, "text": finding.text[:MAX_TEXT], "try": remedies}


def _get_sample(sample: dict[str, Any]) -> dict[str, object]:
    """Texts cut at a length that a screen can hold; scores as name and number."""
    scores = sample.get("scores")
    plain = (
        {str(name)[:80]: _round(value) for name, value in scores.items() if isinstance(value, int | float)}
        if isinstance(scores, dict)
        else {}
    )
    texts = {
        key: get_text(sample.get(key))
        for key in ("prompt", "completion", "reference", "image")
        if sample.get(key) is not None
    }
    return {"step": sample.get("step"), "scores": plain, **texts}


def get_text(value: object) -> str:
    """A prompt or answer as text: messages become one turn a line."""
    if isinstance(value, list):
        turns = [
            f"{turn.get('role', '')}: {get_text(turn.get('content'))}"
            if isinstance(turn, dict) and "role" in turn
            else get_text(turn)
            for turn in value
        ]
        return "\n".join(turns)[:MAX_TEXT]
    if isinstance(value, dict):
        return str(value.get("text") or f"[{value.get('type', 'part')}]")[:MAX_TEXT]
    return str(value)[:MAX_TEXT]


def _get_settings(start: dict[str, Any]) -> dict[str, Any]:
    """The settings of a training, without those that its backend does not use."""
    settings, backend = start.get("settings"), str(start.get("backend"))
    if not isinstance(settings, dict):
        return {}
    unused = get_unused_settings(backend) if backend in registry.names("backends") else ()
    return {name: value for name, value in settings.items() if name not in unused}


def _round(value: float | None) -> float | None:
    """Six digits, and ``None`` for NaN."""
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.6g}")
    return value if value == value else None


def get_snapshot(training: Training, limit: int = POINTS) -> Snapshot:
    """Head and all curves, at most ``limit`` points each."""
    return {
        "head": get_head(training),
        "series": {name: one.get_points(limit) for name, one in training.series.items()},
    }


def get_marks(training: Training) -> dict[str, int]:
    """How many points each series has: what an update starts from."""
    return {name: len(one.steps) for name, one in training.series.items()}


def get_update(training: Training, marks: dict[str, int], sampled: bool) -> Update:
    """Head and points after ``marks``; the settings are left out, and the samples unless there are new ones."""
    skipped = ("settings",) if sampled else ("settings", "samples")
    head = {name: value for name, value in get_head(training).items() if name not in skipped}
    return {
        "head": head,
        "series": {
            name: points for name, one in training.series.items() if (points := _get_new(one, marks.get(name, 0)))
        },
    }


def _get_new(series: Series, start: int) -> dict[str, Points] | None:
    if start >= len(series.steps):
        return None
    steps: list[float | None] = list(series.steps[start:])
    parts = (("raw", series.values), ("smooth", series.smooth))
    return {
        name: [steps, [float(f"{value:.6g}") if value == value else None for value in column[start:]]]
        for name, column in parts
    }

"""What tests of the screens write: events of a training, and lines of logs/phases.jsonl."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from gaslamp.core.events import Events
from gaslamp.report.dashboard.trainings import Metrics

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\x07</script>"


def start(events: Events, **changes: Any) -> None:
    values = {
        "backend": "cpu",
        "method": "sft",
        "max_steps": 40,
        "rows": 80,
        "epochs": 2.0,
        "resumed_from": 0,
        "pid": os.getpid(),
        "parameters": 7,
    }
    events.write("start", settings={"learning_rate": 0.001, "lora": {"r": 16}}, **{**values, **changes})


def step(events: Events, number: int, **values: Any) -> None:
    common = {
        "loss": 2.0 / number,
        "learning_rate": 0.001,
        "grad_norm": 1.0,
        "epoch": number / 20,
        "seconds": 0.5,
        "tokens": 100,
        "memory_gb": 1.5,
    }
    events.write("step", step=number, **{**common, **values})


def write_phases(project: Path, *lines: dict[str, Any]) -> None:
    with (project / "logs" / "phases.jsonl").open("a") as handle:
        for line in lines:
            handle.write(json.dumps({"time": "2026-01-01T10:00:00+00:00", "pid": 2**22 - 7, **line}) + "\n")


def read(project: Path) -> Metrics:
    metrics = Metrics(project)
    metrics.read_all()
    return metrics

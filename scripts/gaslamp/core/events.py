"""Training events in metrics.jsonl: one JSON object a line, written by the training, read by every screen.

Kinds of events (key ``event``): ``start`` (settings, rows, steps), ``step`` (step, loss, learning_rate, grad_norm ...),
``choice`` (settings that were chosen: changes, reasons, need_gb by part, room_gb), ``fit`` (the batch size after
measured probes), ``adapt`` (memory ran out: rung, changes), ``eval`` (step, valid_loss, seconds), ``save`` (step,
path), ``finding`` (step, finding: as in core/finding.py), ``finding_gone`` (step, name: later steps took it back),
``end`` (status completed | interrupted | error, reason). NaN and infinity are written as null with ``<name>_flag``,
because JSON has no value for them.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

from gaslamp.core.files import JsonObject, read_jsonl


class Events:
    """Appends to one metrics.jsonl; safe to read at any moment, survives kills and resumes."""

    def __init__(self, path: Path, key: str, silent: bool = False) -> None:
        """``silent``: write nothing, as in the further processes of a training on several GPUs."""
        self.path, self.key, self.silent = path, key, silent
        if silent:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and (data := path.read_bytes()) and not data.endswith(b"\n"):
            path.write_bytes(data[: data.rfind(b"\n") + 1])  # the last line of a process that was killed is incomplete

    def write(self, event: str, **values: object) -> None:
        """Append one event with the time (seconds since the epoch) and the key of the training."""
        if self.silent:
            return
        line: dict[str, object] = {"time": round(time.time(), 3), "event": event, "key": self.key}
        for name, value in values.items():
            if isinstance(value, float) and not math.isfinite(value):
                line[name], line[f"{name}_flag"] = None, "nan" if math.isnan(value) else "inf"
            else:
                line[name] = value
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def read_events(path: Path, key: str | None = None) -> list[JsonObject]:
    """All events of ``key`` (default: of the newest training in the file), in the order they were written."""
    if not path.is_file():
        return []
    events = list(read_jsonl(path))
    if not events:
        return []
    key = key or events[-1]["key"]
    return [event for event in events if event["key"] == key]


def get_history(events: list[JsonObject], kind: str = "step") -> list[JsonObject]:
    """The events of one kind by step; where a resume repeated a step, the later one counts."""
    by_step = {event["step"]: event for event in events if event["event"] == kind}
    return [by_step[step] for step in sorted(by_step)]

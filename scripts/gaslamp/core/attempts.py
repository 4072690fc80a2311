"""Every start of a step, how it ended and why, from ``logs/phases.jsonl``."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gaslamp.core.files import JsonObject
from gaslamp.core.liveness import is_step_alive


@dataclass
class Attempt:
    """One start of a step and its status: ok, failed, interrupted, killed or running."""

    step: str
    pid: int
    started: str
    status: str
    seconds: float | None = None
    peak_memory_gb: float | None = None
    error: str = ""
    log: str = ""
    fixes: list[str] = field(default_factory=list)  # of the error, the usual one first
    allows: JsonObject = field(default_factory=dict)  # config keys whose values let the problem pass
    settings: JsonObject = field(default_factory=dict)  # config keys whose values would have avoided the error


def read_attempts(path: Path, damaged: list[str] | None = None) -> list[Attempt]:
    """The attempts in ``logs/phases.jsonl`` in the order of their starts, without the one of this process.

    Args:
        path: the file.
        damaged: gets a sentence when lines are no events; these are left out.
    """
    if not path.is_file():
        return []
    attempts: list[Attempt] = []
    starts: list[JsonObject] = []
    for event in _read_events(path, [] if damaged is None else damaged):
        if event["event"] == "start":
            attempts.append(Attempt(event["step"], event["pid"], event["time"], "", log=event.get("log") or ""))
            starts.append(event)
            continue
        opened = (
            attempt
            for attempt in reversed(attempts)
            if (attempt.step, attempt.pid, attempt.status) == (event["step"], event["pid"], "")
        )
        if attempt := next(opened, None):
            attempt.status, attempt.seconds, attempt.peak_memory_gb = (
                event["status"],
                event.get("seconds"),
                event.get("peak_memory_gb"),
            )
            attempt.error, attempt.settings = event.get("error") or "", event.get("settings") or {}
            attempt.fixes, attempt.allows = event.get("fixes") or [], event.get("allows") or {}
    for attempt, start in zip(attempts, starts, strict=True):
        if not attempt.status:
            attempt.status = "running" if is_step_alive(start, path.parent.parent) else "killed"
    return [attempt for attempt in attempts if not (attempt.pid == os.getpid() and attempt.status == "running")]


def _read_events(path: Path, damaged: list[str]) -> list[JsonObject]:
    """The events of the file, without a last line that a kill cut off."""
    events, bad = [], []
    with path.open(encoding="utf-8", errors="replace") as handle:
        for number, line in enumerate(handle, 1):
            if not line.endswith("\n"):
                break
            try:
                event = json.loads(line)
                is_event = isinstance(event, dict) and _is_event(event)
            except (ValueError, KeyError, TypeError, RecursionError):
                is_event = False
            if is_event:
                events.append(event)
            else:
                bad.append(number)
    if bad:
        lines = f"line {bad[0]} is" if len(bad) == 1 else f"{len(bad)} lines, the first {bad[0]}, are"
        damaged.append(f"{path}, {lines} damaged and left out: delete what is no line of this file")
    return events


def _is_event(event: JsonObject) -> bool:
    """Whether a line has what is read of it, in the types that this needs."""
    is_start = event["event"] == "start"
    if is_start:
        _seconds(event["time"])
    texts = [event["step"], event["event"], *([] if is_start else [event["status"]])]
    optional = [event.get("error") or "", event.get("log") or ""]
    fixes = event.get("fixes") or []
    numbers = [event["pid"], event.get("seconds") or 0, event.get("peak_memory_gb") or 0]
    return (
        all(isinstance(text, str) for text in [*texts, *optional])
        and all(isinstance(number, int | float) for number in numbers)
        and all(isinstance(event.get(key) or {}, dict) for key in ("settings", "allows"))
        and isinstance(fixes, list)
        and all(isinstance(fix, str) for fix in fixes)
    )


def get_phases(attempts: list[Attempt]) -> list[list[Attempt]]:
    """For each step its last attempt and those before it that did not finish, oldest first; steps by first start."""
    by_step: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        earlier = by_step.setdefault(attempt.step, [])
        if earlier and earlier[-1].status == "ok":
            earlier.clear()  # the step finished and ran again since
        earlier.append(attempt)
    return list(by_step.values())


def _seconds(time: str) -> float:
    """Unix time of a time in ISO format."""
    return datetime.fromisoformat(time).timestamp()

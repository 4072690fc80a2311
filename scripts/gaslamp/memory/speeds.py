"""How fast trainings ran on the machines of this user: ``speeds.json`` in the memory folder.

Every run adds what it measured, so that the next project's hours are not those of a table. Standard library only: the
interview reads it before anything is installed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gaslamp.core.files import write_json
from gaslamp.environment.speed import Measured
from gaslamp.environment.system import describe_hardware
from gaslamp.models.shape import Shape

FILE = "speeds.json"
KEPT = 40
"""Trainings that the file holds; the oldest leave it."""


def add_speed(home: Path, machine: Mapping[str, object], one: Measured) -> None:
    """Note what a training measured; one of the same model, profile and machine is replaced.

    Args:
        home: the memory folder; its lock is held.
        machine: contents of outputs/env/system.json.
        one: what was measured.
    """
    entry: dict[str, Any] = {"hardware": describe_hardware(machine), "profile": one.profile, "shape": asdict(one.shape)}
    others = [each for each in _read(home) if any(each.get(key) != value for key, value in entry.items())]
    newest = {**entry, "flops": one.flops, "reason": one.reason}
    write_json(home / FILE, {"schema_version": 1, "speeds": [newest, *others][:KEPT]})


def read_speeds(home: Path, machine: Mapping[str, object]) -> list[Measured]:
    """What trainings on a machine measured, the newest first; none when the file is missing or of another version."""
    hardware = describe_hardware(machine)
    found = []
    for each in _read(home):
        try:
            one = Measured(float(each["flops"]), Shape(**each["shape"]), str(each["profile"]), str(each["reason"]))
        except (KeyError, TypeError, ValueError):
            continue
        if each.get("hardware") == hardware:
            found.append(one)
    return found


def _read(home: Path) -> list[dict[str, Any]]:
    try:
        value = json.loads((home / FILE).read_text(encoding="utf-8"))
        return [each for each in value["speeds"] if isinstance(each, dict)]
    except (OSError, ValueError, KeyError, TypeError):
        return []

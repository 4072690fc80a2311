"""How fast this machine trained before: what the memory keeps of every run, and the runs of the project itself."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.events import read_events
from gaslamp.core.files import JsonObject, read_json
from gaslamp.environment.machines import Machine
from gaslamp.environment.speed import Measured, read_measured, read_steps
from gaslamp.memory.snapshot import get_home
from gaslamp.memory.speeds import read_speeds
from gaslamp.models.catalogue import find_model
from gaslamp.models.shape import Shape


def find_measured(machine: Machine, project: Path | None = None) -> list[Measured]:
    """What trainings on this machine measured, the newest of the project first, then those of the memory.

    Args:
        machine: its facts; trainings of another one in the same memory do not count.
        project: whose trainings count too, also one that has not ended.
    """
    found = _read_project(project) if project else []
    return [*found, *read_speeds(get_home(), machine)]


def _read_project(project: Path) -> list[Measured]:
    found: list[tuple[float, Measured]] = []
    ended = set()
    for file in project.glob("outputs/*/train.json"):
        try:
            facts = read_json(file)
        except GaslampError:
            continue  # a file of another version
        if one := read_measured(facts, _find_shape(facts)):
            found.append((file.stat().st_mtime, one))
            ended.add(file.parent.name)
    for file in project.glob("logs/*/train.metrics.jsonl"):
        if file.parent.name in ended:
            continue
        try:
            one = read_steps(read_events(file))
        except (GaslampError, KeyError, TypeError):
            continue  # of another version
        if one:
            found.append((file.stat().st_mtime, one))
    return [one for _, one in sorted(found, key=lambda each: -each[0])]


def _find_shape(facts: JsonObject) -> Shape | None:
    source = ((facts.get("provenance") or {}).get("settings") or {}).get("model", {}).get("source", "")
    known = find_model(source) if source else None
    return known.shape if known else None

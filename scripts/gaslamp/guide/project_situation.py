"""The situation of a project that is there already, for make advise and make plan."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.environment.machines import Machine
from gaslamp.environment.profile import get_settled_profile
from gaslamp.guide.amount import find_counted
from gaslamp.guide.answers import check_data, read_data_answer
from gaslamp.guide.look import Look, look_at_data
from gaslamp.guide.measured import find_measured
from gaslamp.guide.plan import Situation
from gaslamp.guide.reconfigure import read_project


def look_at_project(
    project: Path, system: Machine, values: JsonObject | None = None, *, offline: str = "", stage: str = ""
) -> Situation:
    """The situation of a project: its own task, data, method and profile, and what the data phase counted.

    Args:
        project: its folder.
        system: the machine.
        values: of its config; ``None``: config.yaml is read.
        offline: why the hub cannot be reached; empty when it can.
        stage: an earlier stage, whose config ``values`` is.
    """
    found = read_project(project)
    config = found.values if values is None else values
    section = config.get("data") or {}
    answer = read_data_answer(str(section.get("source") or "none"), project)
    method = str(config.get("method") or "sft")
    wanted = {**found.wanted, "method": method}
    if settled := get_settled_profile(project):
        wanted["profile"] = settled.name
    try:
        check_data(answer)
        look = look_at_data(answer)
    except GaslampError as error:
        look = Look(unknown=error.cause.splitlines()[0])
    return Situation(
        str((config.get("project") or {}).get("task") or ""),
        answer,
        look,
        system,
        wanted,
        offline,
        find_measured(system, project),
        find_counted(project, method, stage),
    )

"""What the plan is made from, found out once: the answers, the data, the machine, the hub, earlier trainings here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.environment.machines import Machine
from gaslamp.environment.profile import get_settled_profile
from gaslamp.guide.amount import find_counted
from gaslamp.guide.answers import check_data, read_data_answer
from gaslamp.guide.look import Look, look_at_data
from gaslamp.guide.machine import look_at_machine
from gaslamp.guide.measured import find_measured
from gaslamp.guide.models import find_offline
from gaslamp.guide.plan import Situation
from gaslamp.guide.reconfigure import read_project


def look_around(
    task: str,
    data: str,
    wanted: Mapping[str, str] | None = None,
    *,
    system: Machine | None = None,
    project: Path | None = None,
    offline: str | None = None,
) -> Situation:
    """Everything that the plan depends on.

    Args:
        task, data: the two answers.
        wanted: lines of the plan that a person set.
        system: the machine; ``None``: this one, which is looked at.
        project: where relative paths start, and whose own trainings count; ``None``: the current folder, and none.
        offline: why the hub cannot be reached; ``None``: try.

    Raises:
        GaslampError: the data cannot be used.
    """
    answer = read_data_answer(data, project)
    check_data(answer)
    machine = system or look_at_machine()
    return Situation(
        task,
        answer,
        look_at_data(answer),
        machine,
        wanted or {},
        find_offline() if offline is None else offline,
        find_measured(machine, project),
    )


def look_at_project(
    project: Path, system: Machine, values: Mapping[str, Any] | None = None, *, offline: str = "", stage: str = ""
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

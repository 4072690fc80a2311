"""What the plan is made from, found out once: the answers, the data, the machine, the hub, earlier trainings here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gaslamp.environment.machines import Machine
from gaslamp.guide.answers import check_data, read_data_answer
from gaslamp.guide.look import look_at_data
from gaslamp.guide.machine import look_at_machine
from gaslamp.guide.measured import find_measured
from gaslamp.guide.models import find_offline
from gaslamp.guide.plan import Situation


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

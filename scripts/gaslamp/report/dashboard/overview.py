"""What the screens show of a project as a whole, as plain values for JSON: runs, phases, machine."""

from __future__ import annotations

import contextlib
from typing import TypedDict

from gaslamp.report.dashboard.outcome import Outcome, get_outcome
from gaslamp.report.dashboard.project import Phase, Project
from gaslamp.report.dashboard.snapshot import Brief, get_brief
from gaslamp.report.dashboard.trainings import Training

MAX_TRAININGS = 200
MAX_OUTCOMES = 20


class Machine(TypedDict):
    """Load of this machine; memory in GB."""

    cpu_percent: float
    cores: int | None
    memory_total_gb: float
    memory_used_gb: float
    process_gb: float | None


class Overview(TypedDict):
    """What does not belong to one training; ``newest`` is the id of the training to show first."""

    name: str
    newest: str | None
    running: bool
    runs: list[Brief]
    phases: list[Phase]
    machine: Machine
    hardware: list[list[str]]
    outcomes: dict[str, Outcome]


def get_machine(training: Training | None) -> Machine:
    """Load of this machine now, and of the process that trains when it runs here."""
    import psutil

    memory = psutil.virtual_memory()
    found: Machine = {
        "cpu_percent": psutil.cpu_percent(),
        "cores": psutil.cpu_count(),
        "memory_total_gb": round(memory.total / 1e9, 2),
        "memory_used_gb": round((memory.total - memory.available) / 1e9, 2),
        "process_gb": None,
    }
    if training and training.get_status()[0] == "training" and not training.start.get("remote"):
        with contextlib.suppress(psutil.Error):
            found["process_gb"] = round(psutil.Process(training.start["pid"]).memory_info().rss / 1e9, 2)
    return found


def get_overview(project: Project) -> Overview:
    """Runs, phases and machine: what does not belong to one training."""
    trainings = project.metrics.sort()
    newest = next((one for one in trainings if one.get_status()[0] == "training"), trainings[0] if trainings else None)
    return {
        "name": project.get_name(),
        "newest": newest.id if newest else None,
        "running": project.is_running(),
        "runs": [get_brief(one) for one in trainings[:MAX_TRAININGS]],
        "phases": project.get_phases(),
        "machine": get_machine(newest),
        "hardware": project.get_hardware(),
        "outcomes": {run: get_outcome(project, run) for run in {one.run for one in trainings[:MAX_OUTCOMES]}},
    }

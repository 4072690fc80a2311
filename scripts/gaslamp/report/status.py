"""What runs in a project now and how the last run ended, for programs (``make status JSON=1``)."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.background import LOG, find, read_last
from gaslamp.core.document import Document, Part
from gaslamp.core.errors import GaslampError
from gaslamp.export.llamacpp.background import SERVED, read_state
from gaslamp.report.dashboard.outcome import get_next
from gaslamp.report.dashboard.project import Project
from gaslamp.report.dashboard.snapshot import get_brief, get_head
from gaslamp.report.dashboard.trainings import Training
from gaslamp.report.summary import read_last_lines


class PhasePart(Part):
    """One phase of the graph."""

    step: str
    title: str
    state: str  # waiting, running, done, failed, interrupted
    seconds: float | None
    reason: str  # of a failure


class TrainingStatus(Part):
    """The newest training, or that of the run that was named."""

    run: str
    method: str
    status: str
    reason: str
    step: int
    max_steps: int
    loss: float | None
    epoch: float | None
    epochs: float | None
    elapsed_seconds: float
    remaining_seconds: float | None
    seconds_per_step: float | None
    peak_memory_gb: float | None
    checkpoints: list[int]
    watch: list[str]  # findings of the training so far, each with what to try


class ServedPart(Part):
    """The server of `make deploy` or `make serve`."""

    name: str
    url: str
    model: str


class BackgroundPart(Part):
    """The process of a run; ``log_end`` where it has one."""

    pid: int
    started: float  # Unix time
    log: str | None
    log_end: list[str]


class StatusDocument(Document):
    """``make status JSON=1``."""

    project: str
    is_running: bool
    running: BackgroundPart | None  # Snakemake, when it works here
    last_background: BackgroundPart | None  # the run that was started in the background last, when it has ended
    elsewhere: str  # the other machine that it trains on, and for how long it is used; empty: none
    training: TrainingStatus | None
    phases: list[PhasePart]
    served: ServedPart | None
    next: str  # the command to go on with


def get_status(root: Path, run: str | None = None) -> StatusDocument:
    """The state of the project in ``root``; of its newest training, or that of ``run``.

    Raises:
        GaslampError: nothing in the project is called ``run``.
    """
    project = Project(root)
    project.metrics.read_all()
    training = project.metrics.find(run)
    live = training is not None and training.get_status()[0] == "training"
    if run and training is None:
        require_run(project, run)
    is_running = project.is_running()  # first: a run that ends between the two is the last one
    works, last = find(root), read_last(root)
    served = read_state(root / SERVED)
    end = read_last_lines(root / LOG)
    return StatusDocument(
        project=project.get_name(),
        is_running=live or works is not None or is_running,
        running=BackgroundPart(**works, log_end=end if works["log"] else []) if works else None,
        last_background=BackgroundPart(pid=last["pid"], started=last["started"], log=last["log"], log_end=end)
        if last and not works
        else None,
        elsewhere=project.get_elsewhere(),
        training=_get_training(training) if training else None,
        phases=[
            PhasePart(**{name: phase[name] for name in PhasePart.model_fields})  # type: ignore[literal-required]
            for phase in project.get_phases()
        ],
        served=ServedPart(name=served["alias"], url=served["url"], model=served["model"]) if served else None,
        next=get_next(project, run or (training.run if training else "main"), begun=training is not None),
    )


def require_run(project: Project, run: str) -> None:
    """Refuse the name of a run that neither config.yaml nor any file of the project has."""
    root = project.root
    known = {str(project.read_facts("config.yaml").get("run") or "main")}
    known |= {path.name for place in ("outputs", "logs") for path in root.glob(f"{place}/*") if _is_run(path)}
    if run not in known:
        raise GaslampError(
            f"there is no run {run}", f"name one of: {', '.join(sorted(known))}", f"make run RUN={run} starts it"
        )


def _is_run(path: Path) -> bool:
    return path.is_dir() and path.name != "env" and not path.name.startswith(".")


def _get_training(training: Training) -> TrainingStatus:
    brief, head = get_brief(training), get_head(training)
    return TrainingStatus(
        run=brief["run"],
        method=brief["method"],
        status=brief["status"],
        reason=brief["reason"],
        step=brief["step"],
        max_steps=brief["max_steps"],
        loss=brief["loss"],
        epoch=head["epoch"],
        epochs=head["epochs"],
        elapsed_seconds=head["elapsed"],
        remaining_seconds=head["remaining"],
        seconds_per_step=head["seconds_per_step"],
        peak_memory_gb=head["memory"].get("peak"),
        checkpoints=head["checkpoints"],
        watch=[
            "; ".join([finding.text, *(f"try: {remedy.text}" for remedy in finding.remedies[:1])])
            for finding in training.get_findings()
        ],
    )

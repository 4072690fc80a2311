"""A run before it starts: jobs, time, downloads, disk, memory and price, from Snakemake's dry run and the preflight."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from gaslamp.config.preset_layers import read_method
from gaslamp.config.presets import choose_by_size
from gaslamp.config.schema import Config
from gaslamp.config.sections.train import CHOSEN
from gaslamp.config.slices import FOLDER, get_slice, merge, parse_slice
from gaslamp.core.attempts import Attempt, read_attempts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json
from gaslamp.core.power import describe_power
from gaslamp.environment.base_model import get_shape, is_model_here
from gaslamp.environment.machines import Machine, find_processor
from gaslamp.environment.speed import Measured, estimate_training, get_speed
from gaslamp.environment.training_ways import Demand, choose_way, get_room
from gaslamp.guide.dry_run import Job, get_jobs_and_done
from gaslamp.guide.measured import find_measured
from gaslamp.guide.models import get_target
from gaslamp.guide.plan_elsewhere import TRAINS, Place, find_place, get_held_seconds
from gaslamp.guide.project_situation import look_at_project
from gaslamp.guide.recommend import settle_basis
from gaslamp.guide.step_times import TRAIN_START, get_step_seconds
from gaslamp.models.catalogue import find_model
from gaslamp.models.shape import Shape

REASONS = {
    "Params have changed": "settings",
    "Set of input files has changed": "settings",
    "Code has changed": "code",
    "Software environment": "code",
    "Missing output files": "new",
}
"""What Snakemake's reason holds -> why, in a word."""
COUNTED = ("adapter", "epochs", "max_steps", "batch_size", "gradient_accumulation")
"""Keys of section train that say how much is computed."""
CODE = ("scripts/", "rules/", "workflow/")


@dataclass(frozen=True)
class PlannedJob:
    """A job that would run, its time and why it runs."""

    job: Job
    seconds: float | None  # None: not known
    is_measured: bool  # by an earlier run of this step here
    why: str  # new, settings, data, code, again


@dataclass
class RunPlan:
    """All that ``make plan`` says."""

    profile: str
    profile_reason: str
    jobs: list[PlannedJob]
    done: Counter[str]  # rule -> jobs that need not run
    changed: dict[str, tuple[object, object]]  # config key -> value of the last run, value now
    rows: int
    tokens: int  # of a row, in the mean
    rows_origin: str
    power: str  # what the test rows can show
    speed_reason: str
    preflight: JsonObject  # summary, warnings, memory and disk
    problem: str = ""  # what would stop the run
    download_gb: dict[str, float] = field(default_factory=dict)
    price_per_hour: float = 0.0
    price_reason: str = ""
    place: Place | None = None  # the machine elsewhere
    paid_seconds: float | None = None  # for which it is held; None: the whole run is paid

    @property
    def seconds(self) -> float:
        """Of all jobs whose time is known, one after the other."""
        return sum(job.seconds or 0 for job in self.jobs)

    @property
    def price(self) -> float:
        """US dollars for the whole run."""
        paid = self.seconds if self.paid_seconds is None else self.paid_seconds
        return paid / 3600 * self.price_per_hour


def count_test_rows(project: Path, config: Config, train: int) -> int:
    """Counted by the data phase; before it ran, the share of ``data.split`` for so many training rows."""
    file, split = project / "data" / "card.json", config.data.split
    counted = read_json(file)["rows"].get("test") if file.is_file() else None
    return (
        int(counted)
        if counted
        else min(split.max_test, round(train * split.test / max(0.01, 1 - split.test - split.valid)))
    )


def make_plan(
    project: Path,
    config: Config,
    profile: tuple[str, str],
    machine: Machine,
    preflight: JsonObject,
    problem: str = "",
    settings: JsonObject | None = None,
    stages: Mapping[str, Config] | None = None,
    counted: tuple[Demand, str] | None = None,
) -> RunPlan:
    """The plan of a run that would start now.

    Args:
        project: its folder.
        config: as the run would see it, ``settings`` included.
        profile: name, and why it was taken.
        machine: facts of the machine.
        preflight: what the preflight found, empty when it did not end.
        problem: what would stop the run.
        settings: instead of those of config.yaml, to see what they would do; ``None``: none.
        stages: name -> config of each earlier stage, where there are stages.
        counted: what get_demand gave for this config, where it was called.

    Raises:
        DryRunError: Snakemake cannot plan.
    """
    arguments, file = _get_arguments(project, profile[0], settings or {})
    try:
        planned, done = get_jobs_and_done(project, profile[0], arguments)
    finally:
        if file:
            file.unlink()
    shape = get_shape(config.model.source, config.model.revision)
    demand, origin = counted or get_demand(project, config, machine)
    measured = find_measured(machine, project)
    place = find_place(project, config)
    training, speed_reason = _get_training(config, profile[0], machine, shape, demand, measured, place)
    history = {one.step: one for one in read_attempts(project / "logs" / "phases.jsonl") if one.status == "ok"}
    trainings = {"": training}
    for name, stage in (stages or {}).items():
        amount = get_demand(project, stage, machine, name)[0]
        trainings[name] = _get_training(stage, profile[0], machine, shape, amount, measured, place)[0]
    jobs = [_plan_job(job, trainings, history, shape, machine) for job in planned]
    per_hour, why = _get_price(config, machine, place)
    steps = [(one.job.rule, one.seconds) for one in jobs]
    return RunPlan(
        profile=profile[0],
        profile_reason=profile[1],
        jobs=jobs,
        done=done,
        changed=find_changes(project, config),
        rows=demand.rows,
        tokens=demand.mean_tokens,
        rows_origin=origin,
        power=describe_power(count_test_rows(project, config, demand.rows)),
        speed_reason=speed_reason,
        preflight=preflight,
        problem=problem,
        download_gb=_get_downloads(config, shape, planned),
        price_per_hour=per_hour,
        price_reason=why,
        place=place,
        paid_seconds=get_held_seconds(steps, config) if place else None,
    )


def _get_arguments(project: Path, profile: str, settings: JsonObject) -> tuple[list[str], Path | None]:
    """Snakemake's arguments for changed settings: the profile's config files, and one with the changes behind them."""
    if not settings:
        return [], None
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False, encoding="utf-8") as handle:
        yaml.safe_dump(dict(settings), handle)
    return ["--configfile", "config.yaml", f"profiles/{profile}/backend.yaml", handle.name], Path(handle.name)


def read_settings(pairs: Sequence[str]) -> JsonObject:
    """``train.learning_rate=1e-4 run=b`` -> nested settings; values are read as YAML.

    Raises:
        GaslampError: a part is no key with a value.
    """
    result: JsonObject = {}
    for pair in [part for text in pairs for part in re.split(r"\s*;\s*|\s+(?=[\w.]+\s*=)", text.strip()) if part]:
        key, mark, value = pair.partition("=")
        if not mark or not key.strip():
            raise GaslampError(
                f"'{pair}' is no setting", 'write SET="train.max_steps=100", several with spaces between'
            )
        nested: Any = yaml.safe_load(value)
        for part in reversed(key.strip().split(".")):
            nested = {part: nested}
        merge(result, nested)
    return result


def _plan_job(
    job: Job,
    trainings: Mapping[str, float | None],
    history: Mapping[str, Attempt],
    shape: Shape | None,
    machine: Machine,
) -> PlannedJob:
    why = _get_why(job, not history)
    if job.step.startswith("train_model") or job.rule == TRAINS:
        training = trainings.get(job.wildcards.get("stage", ""))
        return PlannedJob(job, None if training is None else training + TRAIN_START, False, why)
    if (before := history.get(job.step)) and before.seconds is not None:
        return PlannedJob(job, before.seconds, True, why)
    return PlannedJob(job, get_step_seconds(job.step, shape, int(machine.get("cores") or 1)), False, why)


def _get_why(job: Job, is_first: bool) -> str:
    """In a word why a job would run, of Snakemake's reason."""
    if is_first:
        return "new"
    if found := re.search(r"Updated input files: ([^;]*)", job.reason):
        return "code" if all(name.strip().startswith(CODE) for name in found[1].split(",")) else "data"
    return next((word for start, word in REASONS.items() if start in job.reason), "again")


def get_demand(project: Path, config: Config, machine: Machine, stage: str = "") -> tuple[Demand, str]:
    """What a run trains on, as the interview and ``make advise`` see it, and where the numbers are from.

    Args:
        project: its folder.
        config: as the run would see it, or that of an earlier stage.
        machine: its facts.
        stage: name of the earlier stage.
    """
    values = json.loads(get_slice(config, "method", "data", "project"))
    basis = settle_basis(look_at_project(project, machine, values, stage=stage))
    return basis.demand, basis.amount.origin


def estimate_run(
    config: Config,
    profile: str,
    machine: Machine,
    shape: Shape | None,
    demand: Demand,
    measured: Sequence[Measured],
    gpu: str = "",
) -> tuple[float | None, str]:
    """Hours of the training that a config asks for, and how they were calculated.

    Args:
        config: as the run would see it.
        profile: that trains.
        machine: this one.
        shape: of the base model; ``None``: not known.
        demand: what is trained on.
        measured: trainings on this machine.
        gpu: of the machine elsewhere, where it is known.
    """
    if shape is None:
        return None, "the size of the base model is not known"
    target, _, there = get_target(machine, profile, gpu)
    plugin = read_method(config.method)
    train = choose_by_size(parse_slice(get_slice(config, "backend", "method", "train")), shape.parameters)[0].train
    settings = SimpleNamespace(
        **{name: getattr(train, name) for name in COUNTED},
        gradient_checkpointing=bool(train.gradient_checkpointing),
    )
    open_ = config.train.choose or ()
    if "gradient_checkpointing" in open_:  # settled at the start, by the memory
        given = config.train.model_dump()
        fixed = {key: given[key] for key in CHOSEN if key not in open_ and given[key] != "auto"}
        way = choose_way(there, demand, plugin, shape, get_room(target, there), fixed)
        settings.gradient_checkpointing = bool(way.train.gradient_checkpointing)
    speed = get_speed(target, there, shape, measured if target is machine else ())
    return estimate_training(config.method, plugin, shape, settings, demand.rows, demand.mean_tokens, speed)


def _get_training(
    config: Config,
    profile: str,
    machine: Machine,
    shape: Shape | None,
    demand: Demand,
    measured: Sequence[Measured],
    place: Place | None,
) -> tuple[float | None, str]:
    """Seconds of the training, and how they were calculated."""
    if place and place.backend != "cuda":
        return None, f"with {place.words}, whose speed is not known"
    hours, words = estimate_run(config, profile, machine, shape, demand, measured, place.gpu if place else "")
    words = f"on {place.words}: {words}" if place else words
    return None if hours is None else hours * 3600, words


def _get_price(config: Config, machine: Machine, place: Place | None) -> tuple[float, str]:
    if config.plan.price_per_hour is not None:
        return config.plan.price_per_hour, "plan.price_per_hour"
    if place:
        if place.price is None:
            return 0.0, "not known: plan.price_per_hour in config.yaml says what that machine costs"
        sure = "" if place.is_known else "; yours may be another one: plan.price_per_hour says what it costs"
        card = place.words.split("; ")[0]
        return place.price, f"{card}: {place.price_source}{sure}"
    processor = find_processor(machine)
    if processor and processor.price and machine.get("is_rented"):
        return processor.price, processor.price_source
    rent = (
        f"; rented it would be about ${processor.price:.2f} an hour ({processor.price_source})"
        if (processor and processor.price)
        else ""
    )
    return 0.0, f"this machine counts as yours: plan.price_per_hour in config.yaml says otherwise{rent}"


def _get_downloads(config: Config, shape: Shape | None, planned: Sequence[Job]) -> dict[str, float]:
    """GB that come from the network, by what they are."""
    rules = {job.rule for job in planned}
    found = {}
    if "fetch_model" in rules and not is_model_here(config.model.source, config.model.revision):
        known = find_model(config.model.source)
        size = known.files_gb if known else shape.parameters * 2 / 1e9 if shape else None
        found[config.model.source] = round(size, 2) if size else 0.0
    return found


def find_changes(project: Path, config: Config) -> dict[str, tuple[object, object]]:
    """Settings that differ from those of the last run: key -> (then, now); empty before a first run."""
    files = sorted((project / FOLDER).glob("config-*.yaml"), key=lambda file: file.stat().st_mtime)
    if not files or not (project / "logs" / "phases.jsonl").is_file():
        return {}
    before = yaml.safe_load(files[0].read_text(encoding="utf-8")) or {}
    try:
        old = _flatten(Config.model_validate(before).model_dump())
    except ValueError:
        return {}  # of another version
    new = _flatten(config.model_dump())
    return {key: (old.get(key), value) for key, value in new.items() if old.get(key) != value and key != "backend"}


def _flatten(values: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            result |= _flatten(value, f"{start}{key}.")
        else:
            result[f"{start}{key}"] = value
    return result

"""What another person needs to repeat a run and to see whether it came out the same: the last block of section 9."""

from __future__ import annotations

from pathlib import Path

from gaslamp import __version__
from gaslamp.core.contracts import Artefact, Card, Compare, Ladder, ModelFacts, Score, Stages, Template, TrainFacts
from gaslamp.core.files import JsonObject, sha256_path
from gaslamp.core.registry import ROOMS

OWN_FOLDERS = (*ROOMS, "tasks")
"""Folders of a project with a person's own code."""
OWN_FILES = ("data/kept.jsonl",)


class Expected(Artefact):
    """The outcome of a run: hashes that must be equal, figures that must be close."""

    gaslamp: str  # version
    run: str
    backend: str
    machine: str
    inputs: dict[str, str]  # a person's own files, relative to the project or absolute -> sha256
    data: dict[str, str]  # train, valid, test -> sha256
    rows: dict[str, int]
    template: str  # sha256 of the chat template
    model: str  # sha256 of the base model's weights
    loss_first: float
    loss_last: float
    metric: str
    title: str
    unit: str
    base: Score
    tuned: Score
    verdict: str
    level: str  # the recommended one
    level_score: Score


def get_expected(
    train: TrainFacts,
    compare: Compare,
    card: Card,
    model: ModelFacts,
    template: Template,
    ladder: Ladder,
    run: str,
    machine: str,
    inputs: dict[str, str],
) -> Expected:
    """The record of a run, from its facts; ``inputs`` from ``hash_inputs``."""
    first = compare.metrics[0]
    level = next(level for level in ladder.levels if level.level == ladder.recommended)
    return Expected(
        gaslamp=__version__,
        run=run,
        backend=train.backend,
        machine=machine,
        inputs=inputs,
        data={part: card.sha256[part] for part in ("train", "valid", "test") if part in card.sha256},
        rows={part: card.rows[part] for part in ("train", "valid", "test") if part in card.rows},
        template=template.sha256,
        model=model.sha256,
        loss_first=train.loss_first,
        loss_last=train.loss_last,
        metric=first.name,
        title=first.title,
        unit=first.unit,
        base=first.base,
        tuned=first.tuned,
        verdict=compare.verdict,
        level=level.level,
        level_score=level.score,
    )


def hash_inputs(config: JsonObject, project: Path) -> dict[str, str]:
    """The files of a person that a run reads, with their hashes: data, kept rows, questions, styles, own plug-ins.

    Args:
        config: all sections, as plain values.
        project: folder that relative paths start from.
    """
    named = [get_key(section, key) for section in get_parts(config) for key in PLACES]
    found = [str(value) for value in named if isinstance(value, str) and not value.startswith("embedded:")]
    found += [*OWN_FILES, *(name for folder in OWN_FOLDERS for name in _list_files(project, folder))]
    paths = {name: project / Path(name).expanduser() for name in found}
    return {name: sha256_path(path) for name, path in paths.items() if path.exists()}


PLACES = ("data.source", "eval.retention_file", "export.calibration", "demo.style")
"""Keys that may name a file of a person."""


def _list_files(project: Path, folder: str) -> list[str]:
    """The files of a folder, relative to the project, without what Python compiled and what is hidden."""
    files = [file.relative_to(project) for file in sorted((project / folder).rglob("*")) if file.is_file()]
    return [file.as_posix() for file in files if not any(part.startswith((".", "__pycache__")) for part in file.parts)]


def get_key(config: JsonObject, key: str) -> object:
    """The value of ``data.source`` in a config; ``None`` where it is not there."""
    value: object = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def get_parts(config: JsonObject) -> list[JsonObject]:
    """The top level of a config, and its stages: all that may name a file."""
    return [config, *(config.get("stages") or [])]


def add_stages(config: JsonObject, stages: Stages) -> JsonObject:
    """``config`` (of the last stage) with all stages, each earlier one complete.

    Args:
        config: all sections, as plain values.
        stages: stages.json.
    """
    earlier = [
        {"name": one.name, **{part: one.config[part] for part in ("method", "data", "eval")}, "train": one.settings}
        for one in stages.stages[:-1]
    ]
    model = {**config["model"], "adapter": stages.stages[0].config["model"]["adapter"]}
    return {**config, "model": model, "stages": [*earlier, {"name": stages.stages[-1].name}]}


def pin(config: JsonObject, card: Card, model: ModelFacts) -> JsonObject:
    """``config`` with the commits of hub models and data sets that the run found, so that a repetition reads the same.

    Args:
        config: all sections, as plain values.
        card, model: of the run.
    """
    commit = card.source.rpartition("@")[2] if "@" in card.source else None
    data, base = config["data"], config["model"]
    return {
        **config,
        "data": {**data, "revision": data.get("revision") or (commit if _is_hub(data["source"], card) else None)},
        "model": {**base, "revision": base.get("revision") or model.revision},
    }


def _is_hub(source: str, card: Card) -> bool:
    return card.source.startswith(f"{source}@")

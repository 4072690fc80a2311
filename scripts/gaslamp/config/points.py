"""Points: further runs of the same config, each with a name and the keys in which it differs.

``run: <name of a point>`` is the config of that point, for Snakemake's wildcard ``run`` as for every script. The points
of section ``sweep`` are named by what they change (config/sweep_points.py). Two kinds belong to every run, and their
names say what they are: ``main-seed2`` is ``main`` with the next seed (``train.seeds``),
``main-share25`` is ``main`` trained on 25 % of its rows (``make learning-curve``).
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.sections.sweep import OWN_DATA
from gaslamp.config.sweep_points import get_name, get_sweep_points
from gaslamp.core.files import JsonObject, write_text

if TYPE_CHECKING:
    from gaslamp.config.schema import Config

SHARES = (10, 25, 50)
"""Per cent of the training rows, for the learning curve; the run itself has all of them."""
FOLDER = Path(".gaslamp/points")
_DERIVED = re.compile(r"(?P<run>.+)-(?P<kind>seed|share)(?P<number>[1-9]\d{0,2})")
LONGEST_SUFFIX = len("-share25")
"""Characters that the name of such a run has more than that of the run itself."""
_FIRST_SEED = 3407  # the default of train.seed


def resolve_point(values: JsonObject) -> JsonObject:
    """The values of the point that ``run`` names; ``values`` themselves where it names none.

    Args:
        values: of config.yaml, as they were written (after stages.resolve). What is malformed is left alone, for the
            check of the config to report.
    """
    run = str(values.get("run", ""))
    if values.get("sweep") and (points := get_sweep_points(values)) and run in points:
        plain = {key: value for key, value in values.items() if key != "sweep"}
        return change(plain, add_part(values, points[run]), run)
    found = _DERIVED.fullmatch(run)
    if not found:
        return values
    whole = resolve_point({**values, "run": found["run"]})
    changes = _get_changes(whole, found["kind"], int(found["number"]))
    plain = {key: value for key, value in whole.items() if key != "sweep"}
    return change(plain, {**changes, "train.seeds": 1}, run) if changes else values


def add_part(values: JsonObject, changes: JsonObject) -> JsonObject:
    """The changes of a point, with the folder of its rows where it needs rows of its own.

    Points that change the same of it share the folder; a value that is that of the config changes nothing.

    Args:
        values: of config.yaml, as they were written.
        changes: of ``get_sweep_points``.
    """
    own = {key: value for key, value in changes.items() if key.startswith(OWN_DATA) and get_value(values, key) != value}
    return {**changes, "data.part": get_name(own)} if own else changes


def list_own_runs(values: JsonObject) -> dict[str, str]:
    """Points that have rows of their own -> the folder of these rows in data/, one point for each folder.

    Args:
        values: of config.yaml, as they were written.
    """
    found = {
        str(part): run
        for run, changes in get_sweep_points(values).items()
        if values.get("sweep") and (part := add_part(values, changes).get("data.part"))
    }
    return {run: part for part, run in found.items()}


def get_value(values: JsonObject, key: str) -> object:
    """The value of a key such as ``train.lora.r``; ``None`` where there is none."""
    found: object = values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _get_changes(values: JsonObject, kind: str, number: int) -> JsonObject:
    """What a derived point changes; empty: the name is that of an ordinary run."""
    train = values.get("train")
    train = train if isinstance(train, Mapping) else {}
    if kind == "share":
        return {"train.share": number / 100} if number in SHARES else {}
    seeds, seed = train.get("seeds", 1), train.get("seed", _FIRST_SEED)
    if not isinstance(seeds, int) or not isinstance(seed, int) or not 2 <= number <= seeds:
        return {}
    return {"train.seed": (seed + number - 1) % 2**32}


def change(values: JsonObject, changes: JsonObject, run: str) -> JsonObject:
    """``values`` with other values of some keys (``train.lora.r``), as the config of ``run``."""
    result = copy.deepcopy(dict(values))
    for key, value in changes.items():
        *parents, last = key.split(".")
        section: JsonObject = result
        for parent in parents:
            inner = section.get(parent)
            section[parent] = section = dict(inner) if isinstance(inner, Mapping) else {}
        section[last] = value
    return {**result, "run": run}


def get_named_run(run: str) -> str:
    """The run that ``run`` belongs to: ``main`` for ``main-seed2`` and ``main-share25``; else ``run`` itself."""
    found = _DERIVED.fullmatch(run)
    return found["run"] if found else run


def get_seed_runs(config: Config) -> list[str]:
    """The runs that repeat ``config`` with other seeds, without the run itself."""
    return [f"{config.run}-seed{number}" for number in range(2, config.train.seeds + 1)]


def get_share_runs(run: str) -> list[str]:
    """The runs of the learning curve of ``run``, the smallest share first, without the run itself."""
    return [f"{run}-share{number}" for number in SHARES]


def write_point(run: str, folder: Path = FOLDER) -> Path:
    """The file that a script gets behind the config, so that it reads the config of the point ``run``."""
    file = folder / f"{run}.yaml"
    if not file.is_file():
        write_text(file, f"run: {json.dumps(run)}\n")
    return file

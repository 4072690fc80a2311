"""The points of a sweep: their names and the keys in which they differ, from section ``sweep`` alone.

A name says what differs (``lr5e-4-r16``), so that a point keeps its name, its files and its training when others are
added or removed.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from gaslamp.config.sections.sweep import STEERED, Sweep
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json, sha256_text

SHORT = {
    "learning_rate": "lr",
    "batch_size": "batch",
    "gradient_accumulation": "accumulate",
    "max_steps": "steps",
    "weight_decay": "decay",
    "warmup_steps": "warmup",
    "adam_beta2": "beta2",
    "max_grad_norm": "norm",
}
"""Last part of a key -> how names of points say it; other keys are said whole."""
SOURCES = {"model.source": "base", "data.source": "rows"}
"""Keys whose value is a path or a hub id, of which names have the last part -> what names call them."""
REQUESTED = Path("outputs/sweep.points.json")
"""The points that Optuna requested, in a project where it steers the sweep (evaluate/sweep_study.py)."""
LONGEST = 48
"""Characters of a name; a longer one ends with a digest."""


def get_sweep_points(values: JsonObject) -> dict[str, JsonObject]:
    """Name of a point -> the keys that it changes, in the order of the config; empty where there is no sweep.

    Args:
        values: of config.yaml. What is malformed gives no point: the check of the config reports it.

    Raises:
        GaslampError: two points have one name.
    """
    section = values.get("sweep")
    if not section:
        return {}
    requested = REQUESTED.stat().st_mtime_ns if REQUESTED.is_file() else 0
    try:
        known = _find_points(json.dumps(section, default=str), str(Path.cwd()), requested)
    except ValidationError:
        return {}
    return {name: dict(changes) for name, changes in known.items()}


@lru_cache(maxsize=4)
def _find_points(section: str, folder: str, requested: int) -> dict[str, JsonObject]:
    """The points of a section ``sweep``, found once for a thousand questions.

    Args:
        section: as JSON.
        folder, requested: of the file of requested points, and when it was written: another answer for another one.
    """
    sweep = Sweep.model_validate(json.loads(section))
    found: dict[str, JsonObject] = {}
    for changes in _list_changes(sweep):
        plain = {key: value for key, value in changes.items() if key != "name"}
        name = str(changes.get("name") or get_name(plain))
        if found.get(name, plain) != plain:
            raise GaslampError(
                f"sweep: two points are called {name}", "give one of them another name: {name: ..., train.lora.r: 64}"
            )
        found[name] = plain
    return found


def _list_changes(sweep: Sweep) -> Iterator[JsonObject]:
    keys = list(sweep.over)
    if sweep.how == "grid" and keys:
        for values in itertools.product(*(sweep.over[key] for key in keys)):
            yield dict(zip(keys, values, strict=True))
    for number in range(sweep.trials if sweep.how == "random" and keys else 0):
        # each draw has a generator of its own: more draws change none of the first ones
        generator = random.Random(f"{sweep.seed} {number}")
        yield {key: _draw(generator, values) for key, values in sweep.over.items()}
    if sweep.how in STEERED and REQUESTED.is_file():
        yield from ({**one["changes"], "name": one["name"]} for one in read_json(REQUESTED))
    yield from sweep.points


def _draw(generator: random.Random, values: object) -> object:
    if isinstance(values, list):
        return generator.choice(values)
    assert isinstance(values, dict)
    low, high = float(values["low"]), float(values["high"])
    whole = isinstance(values["low"], int) and isinstance(values["high"], int)
    if values.get("log"):
        drawn = math.exp(generator.uniform(math.log(low), math.log(high + 1 if whole else high)))
    else:
        drawn = generator.uniform(low, high + 1 if whole else high)
    return min(int(drawn), int(high)) if whole else float(f"{drawn:.3g}")


def get_name(changes: JsonObject) -> str:
    """``lr5e-4-r16``: the last part of each key, and its value."""
    parts = []
    for key, value in changes.items():
        last = SOURCES.get(key, key.rpartition(".")[2])
        text = _write(str(value).rstrip("/").rpartition("/")[2] if key in SOURCES else value)
        parts.append(f"{SHORT.get(last, last.replace('_', ''))}{text if text[:1].isdigit() else f'.{text}'}")
    name = "-".join(parts)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9].rstrip('-.')}-{sha256_text(name)[:8]}"


def _write(value: object) -> str:
    """A value as a part of a folder's name: numbers short, texts as they are, all else by a digest."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        value = float(value)  # as YAML 1.1 leaves 2e-4
    if value is None or isinstance(value, bool):
        return {None: "auto", True: "on", False: "off"}[value]
    if isinstance(value, int | float):
        mantissa, _, power = f"{value:.5e}".partition("e")
        forms = f"{value:.6g}", f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"
        return min((form.replace("+", "") for form in forms), key=len)
    text = re.sub(r"[^A-Za-z0-9_.]+", "", str(value).replace("-", "_"))
    is_plain = isinstance(value, str) and text == value.replace("-", "_")
    return text if is_plain and len(text) <= 28 else sha256_text(str(value))[:6]


def get_swept_keys(values: Mapping[str, JsonObject]) -> list[str]:
    """The keys in which points differ, in the order in which they come.

    Args:
        values: name -> changes, of ``get_sweep_points``.
    """
    return list(dict.fromkeys(key for changes in values.values() for key in changes))

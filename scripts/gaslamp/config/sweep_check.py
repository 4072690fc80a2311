"""What is wrong with the points of a sweep: values that their keys do not take, and names that are taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from gaslamp.config.methods import get_artefact, get_method, is_multimodal
from gaslamp.config.points import add_part, change
from gaslamp.config.problems import find_problems
from gaslamp.config.schema import Config
from gaslamp.config.sections.sweep import OWN_DATA
from gaslamp.config.suggest import explain
from gaslamp.config.sweep_points import get_sweep_points
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,47}")


def find_sweep_problems(config: Config, values: JsonObject, root: Path) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Place and message of each problem.

    Every value is tried alone, so that a grid of a thousand points costs no thousand checks.

    Args:
        config: valid as a whole.
        values: of config.yaml, as they were written.
        root: the project folder.
    """
    if not config.sweep.is_on:
        return
    if config.stages:
        yield (
            ("sweep",),
            "a project with stages cannot sweep: which stage would the points change? Sweep one of them alone",
        )
    if config.data.split.valid == 0:
        yield ("sweep",), "the points are compared on the validation rows, and data.split.valid is 0: set it to 0.1"
    try:
        points = get_sweep_points(values)
    except GaslampError as error:
        yield ("sweep",), f"{error.cause.removeprefix('sweep: ')}; {error.fix}"
        return
    if not points:
        yield ("sweep", "how"), f"{config.sweep.how} asks for one point after the other: make sweep does that"
    for name in points:
        if not _NAME.fullmatch(name):
            yield ("sweep", "points"), f"'{name}' cannot name a folder: letters, figures, '.', '-' and '_', 48 at most"
        elif name.casefold() in ("env", config.run.casefold(), "sweep"):
            yield ("sweep", "points"), f"'{name}' is taken: give the point another name"
    tried: set[str] = set()
    for name, changes in points.items():
        for key, value in changes.items():
            if (pair := f"{key}: {value!r}") not in tried:
                tried.add(pair)
                place = ("sweep", "over", key) if key in config.sweep.over else ("sweep", "points")
                yield from ((place, f"point {name}: {message}") for message in _try(values, key, value))
    yield from ((("sweep",), message) for message in _find_conflicts(config, values, points, root))


def _find_conflicts(config: Config, values: JsonObject, points: dict[str, JsonObject], root: Path) -> Iterator[str]:
    """What is wrong with points that change more than the training, each kind of them once."""
    known = set(find_problems(config, root))
    plain = {name: part for name, part in values.items() if name != "sweep"}
    tried: set[object] = set()
    for name, changes in points.items():
        full = add_part(values, changes)
        own = {key: value for key, value in full.items() if key == "data.part" or key.startswith(OWN_DATA)}
        if full.get("data.part") in (None, *tried):
            continue
        tried.add(full["data.part"])
        if "model.source" in own and config.model.adapter:
            yield f"point {name}: model.adapter belongs to the base model of the project: set it to null"
        try:
            one = Config.model_validate(change(plain, own, config.run))
        except ValidationError:  # said by _try
            continue
        if (kind := _get_kind(one.method)) != (wanted := _get_kind(config.method)):
            yield (
                f"point {name}: {one.method} {kind}, {config.method} {wanted}: they share no evaluation and no files; "
                "sweep methods of one kind, such as sft, dpo and orpo"
            )
            continue
        yield from (
            f"point {name}: {'.'.join(map(str, path))}: {message}"
            for path, message in find_problems(one, root)
            if (path, message) not in known
        )


def _get_kind(method: str) -> str:
    """What a method trains, as far as all points must agree in it, as the end of a sentence."""
    artefact = get_artefact(method)
    if artefact != "causal_lm":
        return f"trains a model of the kind {artefact}"
    if is_multimodal(method):
        return "trains a model that reads images"
    return "learns running text" if get_method(method).KINDS == ("text",) else "trains a model that answers"


def _try(values: JsonObject, key: str, value: object) -> Iterator[str]:
    """What is wrong with one value of one key."""
    plain = {name: part for name, part in values.items() if name != "sweep"}
    try:
        Config.model_validate(change(plain, {key: value}, str(values.get("run", "main"))))
    except ValidationError as failure:
        for error in failure.errors():
            yield explain(error, "", "sweep", Config).removeprefix("sweep: ")

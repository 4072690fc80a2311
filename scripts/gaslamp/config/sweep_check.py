"""What is wrong with the points of a sweep: values that their keys do not take, and names that are taken."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import ValidationError

from gaslamp.config.points import change
from gaslamp.config.schema import Config
from gaslamp.config.suggest import explain
from gaslamp.config.sweep_points import get_sweep_points
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,47}")


def find_sweep_problems(config: Config, values: JsonObject) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Place and message of each problem.

    Every value is tried alone, so that a grid of a thousand points costs no thousand checks.

    Args:
        config: valid as a whole.
        values: of config.yaml, as they were written.
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


def _try(values: JsonObject, key: str, value: object) -> Iterator[str]:
    """What is wrong with one value of one key."""
    plain = {name: part for name, part in values.items() if name != "sweep"}
    try:
        Config.model_validate(change(plain, {key: value}, str(values.get("run", "main"))))
    except ValidationError as failure:
        for error in failure.errors():
            yield explain(error, "", "sweep", Config).removeprefix("sweep: ")

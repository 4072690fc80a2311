"""What `snakemake --config` said: `train={max_steps: 20}` arrives as a mapping of texts, read as YAML here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import ValidationError

from gaslamp.config.schema import Config
from gaslamp.config.slices import merge
from gaslamp.core.files import JsonObject

_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def read_given(values: JsonObject, given: Mapping[str, object]) -> None:
    """Replace in ``values`` what the command line gave as text by what the text says: 20, 1e-4, true, null, [a, b].

    A text that its key wants as text stays one: quotes do not reach this place, so ``project={name: "2024"}`` is the
    name 2024.

    Args:
        values: the config that Snakemake merged; changed in place.
        given: the part that came from the command line.
    """
    merge(values, {key: _parse(part) for key, part in given.items()})
    try:
        Config.model_validate(values)
    except ValidationError as failure:
        for error in failure.errors():
            if error["type"] == "string_type":
                _restore(values, given, error["loc"])


def _parse(value: object) -> object:
    import yaml

    if isinstance(value, Mapping):
        return {key: _parse(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_parse(part) for part in value]
    if not isinstance(value, str):
        return value
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    if isinstance(read, str) and _EXPONENT.fullmatch(read):
        return float(read)  # YAML 1.1 takes 1e-4, without a point, for text
    return read if read is None or isinstance(read, bool | int | float) else value


def _restore(values: object, given: object, path: tuple[str | int, ...]) -> None:
    """Put a text back at ``path``, which may end with what a union tried (``data.columns.prompt.str``)."""
    for part in path:
        text = _step(given, part)
        if isinstance(text, str):
            if isinstance(values, dict | list) and _step(values, part) is not None:
                values[part] = text  # type: ignore[index]  # _step has looked
            return
        values, given = _step(values, part), text


def _step(value: object, part: str | int) -> object:
    """What is below ``part``; ``None`` for nothing."""
    if isinstance(value, Mapping):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None

"""Stages: the config of each one, made of the top level and of what the stage says itself.

The config of a project with stages is that of its last stage, so that all that ships a model needs to know of no other.
An earlier stage has a config of its own: ``run`` is its name, and ``stages`` ends with it. Each stage but the first
starts from the result of the one before it (``model.adapter: outputs/<stage>``).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from gaslamp.core.files import JsonObject

PARTS = ("method", "data", "train", "eval")
"""What a stage may set for itself."""
OF_A_SOURCE = (
    "sql",
    "subset",
    "hub_split",
    "revision",
    "format",
    "columns",
    "meaning",
    "sheet",
    "header",
    "encoding",
    "slice",
    "group",
)
"""Keys of data that describe one source: a stage with a source of its own does not get those of the top level."""
OF_A_METHOD = {"train": ("options", "rewards"), "eval": ("metrics", "options", "min_score")}
"""Keys that belong to one method: a stage with another method does not get those of the top level."""
RESERVED = ("env", "raw", "images", "audio")
"""Folders of data/ and outputs/ that no stage can have."""


def get_names(values: Mapping[str, Any]) -> list[str]:
    """The names of the stages in a config's values, as far as they are well formed."""
    stages = values.get("stages")
    if not isinstance(stages, Sequence) or isinstance(stages, str):
        return []
    return [str(stage["name"]) for stage in stages if isinstance(stage, Mapping) and "name" in stage]


def get_earlier(values: Mapping[str, Any]) -> list[str]:
    """The names of all stages but the last."""
    return get_names(values)[:-1]


def resolve(values: JsonObject, name: str | None = None) -> JsonObject:
    """The values of one stage; ``values`` themselves where there are no stages.

    Args:
        values: of config.yaml, as they were written.
        name: of an earlier stage; ``None``, or the last stage's: the last one, which is the project's config.

    What is malformed is left alone, for the check of the config to report.
    """
    names = get_names(values)
    if not names or len(names) != len(values["stages"]):
        return values
    index = names.index(name) if name in names else len(names) - 1
    result = copy.deepcopy(dict(values))
    own = values["stages"][index]
    for section, keys in _get_foreign(values, own).items():
        if isinstance(result.get(section), Mapping):
            result[section] = {key: value for key, value in result[section].items() if key not in keys}
    for part in PARTS:
        if own.get(part) is not None:
            result[part] = _merge(result.get(part), own[part])
    if index < len(names) - 1:
        result["run"], result["stages"] = names[index], result["stages"][: index + 1]
    if index:
        model = result.get("model")
        result["model"] = {**(model if isinstance(model, Mapping) else {}), "adapter": f"outputs/{names[index - 1]}"}
    return result


def _get_foreign(values: JsonObject, own: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The keys of the top level that a stage does not get, by section."""
    data = own.get("data")
    has_source = isinstance(data, Mapping) and "source" in data
    has_method = own.get("method") not in (None, values.get("method"))
    return {**(OF_A_METHOD if has_method else {}), **({"data": OF_A_SOURCE} if has_source else {})}


def relocate(values: Mapping[str, Any], name: str | None, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Where a key of a stage's config was written: in the stage, or at the top level.

    Args:
        values: of config.yaml, as they were written.
        name: of the stage; ``None``: the last one.
        path: of the key in the stage's config.
    """
    names = get_names(values)
    if not names or not path or path[0] not in PARTS:
        return path
    index = names.index(name) if name in names else len(names) - 1
    place: Any = values["stages"][index]
    found = [part for part in path[:2] if isinstance(place, Mapping) and part in place and [place := place[part]]]
    return ("stages", index, *path) if len(found) == min(2, len(path)) else path


def _merge(values: Any, changes: Any) -> Any:
    """``values`` with ``changes``, key by key."""
    if not isinstance(values, Mapping) or not isinstance(changes, Mapping):
        return copy.deepcopy(changes)
    return {**values, **{key: _merge(values.get(key), value) for key, value in changes.items()}}

"""Messages about a config that does not fit the models: the line, the key, and what was probably meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from gaslamp.core.nearest import get_nearest

Path = Sequence[str | int]
"""Keys and list positions from the top level down to one value."""

_UNION_TAGS = ("str", "list[str]", "[key]")
"""What pydantic adds to the path of an error; none of them is a key of the config."""


def find_section(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model of the section at ``path`` below ``model``; ``None`` where no section is expected.

    List positions and the keys of free mappings (``data.checks``) lead to the model of their elements.
    """
    section: type[BaseModel] | None = model
    is_mapping = False
    for part in path:
        if isinstance(part, int) or is_mapping:  # an element of what the key before it holds
            is_mapping = False
            continue
        field = section.model_fields.get(part) if section else None
        if field is None:
            return None
        candidates = [field.annotation, *get_args(field.annotation)]
        section = next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)
        is_mapping = get_origin(field.annotation) is dict
    return section


def find_line(text: str, path: Path) -> int | None:
    """The line (from 1) of ``path`` in a YAML text, else that of its nearest parent; ``None`` when neither is there."""
    import yaml

    node = yaml.compose(text)
    line = None
    for part in path:
        children: list[tuple[object, yaml.Node, yaml.Node]] = []
        if isinstance(node, yaml.MappingNode):
            children = [(key.value, key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            children = [(index, value, value) for index, value in enumerate(node.value)]
        for name, key, value in children:
            if str(name) == str(part):
                line, node = key.start_mark.line + 1, value
                break
        else:
            return line
    return line


def get_place(text: str, file: object, path: Path) -> str:
    """``config.yaml, line 3``, or only the file where the key is not in ``text``."""
    line = find_line(text, path) if text else None
    return f"{file}, line {line}" if line else str(file)


def explain(error: ErrorDetails, text: str, file: str, model: type[BaseModel]) -> str:
    """One error of pydantic as a message: place, key, what is wrong, what was probably meant.

    Args:
        error: from ``ValidationError.errors()``.
        text: the YAML text that the values came from; empty: there is none.
        file: its name.
        model: the model that the values were checked against.
    """
    path = tuple(error["loc"])
    while path and path[-1] in _UNION_TAGS:
        path = path[:-1]
    name = ".".join(str(part) for part in path) or "config"
    place = get_place(text, file, path)
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key '{name}'; {_get_key_hint(model, path)}"
    if error["type"] in ("model_type", "model_attributes_type") and error.get("input") is None:
        return f"{place}: the section '{name}' is empty; indent its keys below it, or delete the line"
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if path and error["type"] == "string_type" and isinstance(error.get("input"), int | float):
        message += ": put it in quotes"
    given = json.dumps(error.get("input"), default=str, ensure_ascii=False)
    return f"{place}: {name} = {given[:80]}: {message}"


def join(problems: Sequence[str]) -> str:
    """All problems as one text, in the order of their lines, each once."""

    def get_line(problem: str) -> int:
        match = re.search(r", line (\d+): ", problem)
        return int(match.group(1)) if match else 0

    ordered = sorted(dict.fromkeys(problems), key=get_line)
    if len(ordered) == 1:
        return ordered[0]
    return f"{len(ordered)} problems in the config\n" + "\n".join(f"    - {problem}" for problem in ordered)


def _get_key_hint(model: type[BaseModel], path: Path) -> str:
    """Where an unknown key belongs, or the nearest known key of its section."""
    key = str(path[-1])
    section_name, _, rest = key.partition(".")
    if rest and find_section(model, (*path[:-1], section_name)):
        return f"it stands below the line `{section_name}:` that is there, indented by two spaces: `{rest}: ...`"
    if sections := [".".join(place) or "the top level" for place in _find_owners(model, key)]:
        return f"it belongs in {' or '.join(sections)}"
    section = find_section(model, path[:-1])
    known = list(section.model_fields) if section else []
    near = get_nearest(key, known)
    return f"did you mean '{near}'?" if near else f"known here: {', '.join(known)}"


def _find_owners(model: type[BaseModel], key: str, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every section that has ``key``, from the top level down. Elements of lists and free mappings do not count."""
    if key in model.model_fields:
        yield place
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _find_owners(annotation, key, (*place, name))

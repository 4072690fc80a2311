"""One value in config.yaml replaced as a person would: every other line, and every comment, stays as it is.

Standard library and PyYAML alone: cookiecutter's own interpreter runs it too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gaslamp.core.errors import GaslampError

WHY = "# why: "
"""How the line above a value begins that says why this value was recommended."""

CHOSEN = "you chose it"
"""The reason of a value that a person set in the interview."""

_PLAIN = re.compile(r"[A-Za-z][\w./-]*(:[\w./-]+)?", re.ASCII)
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # YAML 1.1 reads these as something else


def set_value(text: str, path: tuple[str, ...], value: object) -> str:
    """YAML ``text`` with one value replaced; comments and all else stay as they are.

    Raises:
        GaslampError: the key is not there.
    """
    node = _find_node(text, path)[1]
    start, end = node.start_mark.index, node.end_mark.index
    end -= len(text[start:end]) - len(
        text[start:end].rstrip()
    )  # a value of several lines ends where the next key begins
    return text[:start] + json.dumps(value, ensure_ascii=False) + text[end:]


def put_value(text: str, path: tuple[str, str], value: object) -> str:
    """``set_value``, which adds the key in front of its section when a config of an earlier version does not have it.

    Raises:
        GaslampError: the section is not there.
    """
    import yaml

    section = _find_key(yaml.compose(text), path[0])
    if section is None or not section[1].value or _find_key(section[1], path[1]):
        return set_value(text, path, value)
    first = section[1].value[0][0].start_mark
    line = f"{path[1]}: {json.dumps(value, ensure_ascii=False)}\n{' ' * first.column}"
    return text[: first.index] + line + text[first.index :]


def get_value(values: object, key: str) -> object:
    """The value of ``train.max_length`` in a config that was read; ``None`` when it is not there."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def flatten(values: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    """Every key of a config that was read, as ``train.max_length``, with its value; sections too."""
    for key, value in values.items():
        yield f"{path}{key}", value
        if isinstance(value, dict):
            yield from flatten(value, f"{path}{key}.")


def set_reasoned(text: str, changes: Iterable[tuple[tuple[str, ...], object, str | None]]) -> str:
    """YAML ``text`` with values replaced, each with its reason on a line of its own above; an earlier reason goes.

    A value that is there already keeps its spelling.

    Args:
        text: of config.yaml.
        changes: path of a key, its new value, and why; "" takes an earlier reason away, None where the value is new.

    Raises:
        GaslampError: a key is not there.
    """
    import yaml

    root, values = yaml.compose(text), yaml.safe_load(text)
    edits: list[tuple[int, int, str]] = []
    for path, value, why in changes:
        key, node = _find_node(text, path, root)
        start, end = node.start_mark.index, node.end_mark.index
        written = text[start:end].rstrip()
        is_new = get_value(values, ".".join(path)) != value
        if is_new:
            edits.append((start, start + len(written), write_scalar(value)))
        if why is None:
            if not is_new:
                continue
            why = ""
        line = text.rfind("\n", 0, key.start_mark.index) + 1
        start, end = _find_reason(text, line)
        reason = " " * key.start_mark.column + WHY + " ".join(why.split()) + "\n" if why else ""
        edits.append((start, end, reason))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _find_reason(text: str, line: int) -> tuple[int, int]:
    """Where the reason above the key at ``line`` stands, other comments between them; an empty place when none does."""
    start = line
    while start and text[:start].splitlines()[-1].strip().startswith("#"):
        end, start = start, text.rfind("\n", 0, start - 1) + 1
        if text[start:end].strip().startswith(WHY.strip()):
            return start, end
    return line, line


def is_recommended(text: str, path: tuple[str, ...]) -> bool:
    """Whether a comment above a key says why its value was recommended: a person did not choose it."""
    key, _ = _find_node(text, path)
    start, end = _find_reason(text, text.rfind("\n", 0, key.start_mark.index) + 1)
    return start < end and not text[start:end].strip().endswith(CHOSEN)


def write_scalar(value: object) -> str:
    """A value as YAML in one line: a word without quotation marks where YAML reads it back as that word."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "[" + ", ".join(write_scalar(item) for item in value) + "]"
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        parts = ("{" + ", ".join(f"{k}: {write_scalar(v)}" for k, v in item.items()) + "}" for item in value)
        return "[" + ", ".join(parts) + "]"
    return json.dumps(value, ensure_ascii=False)


def _find_node(text: str, path: tuple[str, ...], root: Any = None) -> tuple[Any, Any]:
    """The nodes of a key and of its value."""
    import yaml

    node: Any = yaml.compose(text) if root is None else root
    key: Any = None
    for name in path:
        found = _find_key(node, name)
        if found is None:
            raise GaslampError(f"config.yaml has no key {'.'.join(path)}", f"add it: {path[-1]}: ...")
        key, node = found
    return key, node


def _find_key(node: Any, key: str) -> Any:
    import yaml

    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((pair for pair in pairs if pair[0].value == key), None)

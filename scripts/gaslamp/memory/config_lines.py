"""Single lines of config.yaml: set a value with a comment above it, and take both back. The rest of the text stays.

Of other packages it needs PyYAML alone: cookiecutter's interpreter calls this before anything is installed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject

if TYPE_CHECKING:
    import yaml

MISSING = ""
"""The text of a value whose key is not in the file."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def to_yaml(value: object) -> str:
    """A value as YAML on one line, which reads back as the same: lists in brackets, ``1.0e-05`` with its point."""
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _RESERVED
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(to_yaml(item) for item in value)}]"
    text = json.dumps(value)
    return re.sub(r"^(-?\d+)e", r"\1.0e", text) if isinstance(value, float) else text


def read_settings(text: str) -> JsonObject:
    """``train.batch_size: 1, train.lora.r: 8`` as a mapping.

    Raises:
        GaslampError: it is written otherwise.
    """
    import yaml

    try:
        found = yaml.safe_load(f"{{{text}}}")
    except yaml.YAMLError as error:
        raise GaslampError(
            f"settings {text[:80]!r} cannot be read", "write them as: train.batch_size: 1, train.lora.r: 8"
        ) from error
    return found if isinstance(found, dict) else {}


def get_value(text: str, key: str) -> str:
    """The value of ``train.batch_size`` as it is written; ``MISSING`` where the key is not in the text."""
    _, value, _ = _find(text, key)
    return text[value.start_mark.index : value.end_mark.index].strip() if value else MISSING


def set_value(text: str, key: str, value: str, comment: str = "") -> str:
    """``text`` with a value replaced, or with the key added to its section.

    Args:
        text: of config.yaml.
        key: with its section: ``train.batch_size``.
        value: as YAML; ``MISSING`` deletes the line of the key.
        comment: goes on a line of its own above.

    Raises:
        GaslampError: the text is no YAML, or a section is written so that no line can be added to it.
    """
    name, node, section = _find(text, key)
    if node is not None and name is not None:
        if value == MISSING:
            return _delete(text, key, name, section)
        changed = text[: node.start_mark.index] + value + text[_get_end(text, node) :]
        start, _ = _get_line(text, name.start_mark.index)
        return _insert(changed, start, name.start_mark.column, comment)
    if value == MISSING:
        return text
    return _add(text, key, value, comment, section)


def remove_comment(text: str, mark: str) -> str:
    """``text`` without the comment lines that hold ``mark``."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not (line.lstrip().startswith("#") and mark in line))


def _get_end(text: str, node: yaml.Node) -> int:
    """Where a value ends: a block value ends with its last line, not with the blank lines after it."""
    value = text[node.start_mark.index : node.end_mark.index]
    return node.start_mark.index + len(value.rstrip())


def _find(text: str, key: str) -> tuple[yaml.Node | None, yaml.Node | None, yaml.MappingNode | None]:
    """The nodes of a key and of its value, and the mapping that has it or would have it; ``None`` when not there."""
    import yaml

    try:
        node = yaml.compose(text)
    except yaml.YAMLError as error:
        raise GaslampError(
            f"config.yaml is not valid YAML: {' '.join(str(error).split())[:200]}",
            "fix the line that the message names",
        ) from error
    name: yaml.Node | None = None
    section: yaml.MappingNode | None = None
    parts = key.split(".")
    for number, part in enumerate(parts):
        if not isinstance(node, yaml.MappingNode):
            return None, None, None
        section = node
        pair = next(((one, other) for one, other in node.value if one.value == part), None)
        if pair is None:
            return None, None, section if number == len(parts) - 1 else None
        name, node = pair
    return name, node, section


def _get_line(text: str, index: int) -> tuple[int, int]:
    """Start of the line at ``index``, and of the next one."""
    start = text.rfind("\n", 0, index) + 1
    end = text.find("\n", index)
    return start, len(text) if end < 0 else end + 1


def _delete(text: str, key: str, name: yaml.Node, section: yaml.MappingNode | None) -> str:
    """``text`` without the line of a key; a section that has no other key goes with it."""
    start, end = _get_line(text, name.start_mark.index)
    text = text[:start] + text[end:]
    if section is not None and len(section.value) == 1 and "." in key:
        return set_value(text, key.rpartition(".")[0], MISSING)
    return text


def _insert(text: str, at: int, column: int, comment: str) -> str:
    return f"{text[:at]}{' ' * column}# {comment}\n{text[at:]}" if comment else text


def _add(text: str, key: str, value: str, comment: str, section: yaml.MappingNode | None) -> str:
    """The key as a new line at the beginning of its section, or with a section of its own at the end."""
    *parents, last = key.split(".")
    if section is not None and not section.flow_style and section.value:
        first = section.value[0][0].start_mark
        start, _ = _get_line(text, first.index)
        return _insert(
            f"{text[:start]}{' ' * first.column}{last}: {value}\n{text[start:]}", start, first.column, comment
        )
    if section is None and len(parents) == 1 and get_value(text, parents[0]) == MISSING:
        note = f"  # {comment}\n" if comment else ""
        return f"{text.rstrip()}\n\n{parents[0]}:\n{note}  {last}: {value}\n"
    raise GaslampError(
        f"config.yaml has no section {'.'.join(parents)} that a line can be added to", f"add {key}: {value} by hand"
    )

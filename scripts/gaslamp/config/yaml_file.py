"""Reading a YAML file that a person wrote: whatever is wrong with it is said with the file and the line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject

if TYPE_CHECKING:
    import yaml

DEEPEST = 32
"""Levels of nesting; a config has six."""
MOST = 100_000
"""Values after every alias was replaced by what it stands for."""
LARGEST = 5_000_000
"""Bytes; a config has a few thousand."""
BAD_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Control characters, halves of a character, and marks that turn the direction of all text after them."""


def read_yaml(file: Path) -> JsonObject:
    """The mapping in a YAML file; an empty file gives an empty one.

    Raises:
        GaslampError: the file is missing, no text, not YAML, nested without end, or holds no mapping.
    """
    import yaml

    text = _read_text(file)
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        for _ in _walk(root, file):
            pass
        values = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:
        raise GaslampError(
            f"{file} is not valid YAML: {' '.join(str(error).split())[:300]}", "fix the line that the message names"
        ) from error
    except RecursionError as error:
        raise GaslampError(f"{file} is nested too deeply to be read", "write one `key: value` a line") from error
    if values is not None and not isinstance(values, dict):
        raise GaslampError(f"{file} holds no mapping of keys to values", "write one `key: value` a line")
    return values or {}


def find_bad_text(values: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Keys and texts with characters that a terminal, a page or a model's prompt must not receive.

    Yields:
        ``(place, message)`` for each.
    """
    if isinstance(values, str):
        if found := BAD_CHARACTERS.search(values):
            character = found.group()
            kind = "half of a character" if "\ud800" <= character <= "\udfff" else "a control character"
            yield path, f"character {found.start() + 1} is {kind} (U+{ord(character):04X}): remove it"
    elif isinstance(values, dict):
        for key, value in values.items():
            if isinstance(key, str) and BAD_CHARACTERS.search(key):
                yield path, f"the key {key!a} has a control character: remove it"
            yield from find_bad_text(value, (*path, key))
    elif isinstance(values, list):
        for number, value in enumerate(values):
            yield from find_bad_text(value, (*path, number))


def _read_text(file: Path) -> str:
    try:
        if file.is_file() and file.stat().st_size > LARGEST:
            _refuse(
                f"{file} has {file.stat().st_size:,} bytes: it is no config", "is it the data? data.source names that"
            )
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise GaslampError(
            f"{file} does not exist", "run the command in a project folder (the one with config.yaml)"
        ) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        utf16 = error.object[:2] in (b"\xff\xfe", b"\xfe\xff")
        raise GaslampError(
            f"{file}, line {line}: not UTF-8{' but UTF-16' if utf16 else ''}", "save it as UTF-8 in your editor"
        ) from error
    except OSError as error:
        raise GaslampError(
            f"cannot read {file}: {error.strerror}", f"it should be a text file: ls -l {file}"
        ) from error


def _walk(root: yaml.Node | None, file: Path) -> Iterator[yaml.Node]:
    """Every node, with aliases followed; refuses what has no end, or hardly one."""
    import yaml

    seen = 0
    waiting: list[tuple[yaml.Node | None, tuple[int, ...]]] = [(root, ())]
    while waiting:
        node, above = waiting.pop()
        if node is None:
            continue
        seen += 1
        if id(node) in above:
            _refuse(
                f"{file}, line {node.start_mark.line + 1}: this value contains itself (an alias to its own anchor)",
                "write out what the alias (*name) should stand for",
            )
        if len(above) > DEEPEST or seen > MOST:
            _refuse(
                f"{file}, line {node.start_mark.line + 1}: nested too deeply, or aliases that stand for very much",
                "write one `key: value` a line, without anchors (&name) and aliases (*name)",
            )
        yield node
        below = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            waiting += [(each, below) for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(each, below) for each in node.value]


def _refuse(cause: str, fix: str) -> NoReturn:
    raise GaslampError(cause, fix)

"""A .yaml file: a list of rows, an object that holds some, or a document for each row. Values stay as written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.chunks import Chunk, Reading
from gaslamp.data.readers.json_objects import read_value
from gaslamp.data.readers.json_values import chunk_items
from gaslamp.data.readers.opening import open_text


def read_yaml(reading: Reading) -> Iterator[Chunk]:
    """The rows of a YAML file.

    Every value is text: ``no`` stays ``no``, and ``1.10`` is no number that ends with a 1.

    Raises:
        GaslampError: it is no valid YAML, is empty, or refers to parts of itself.
    """
    import yaml

    with open_text(reading) as handle:
        text = handle.read()
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.CBaseLoader)):
            raise GaslampError(
                f"{reading.title} refers to parts of itself (*name), which is not read", "write these parts out"
            )
        documents = [value for value in yaml.load_all(text, yaml.CBaseLoader) if value not in ("", None)]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise GaslampError(
            f"{reading.title}{place}: not valid YAML ({getattr(error, 'problem', None) or error})",
            "fix that line: a text with ': ' or '#' in it needs quotes around it",
        ) from error
    except RecursionError as error:
        raise GaslampError(f"{reading.title} is nested too deeply", "save it as .jsonl") from error
    if not documents:
        raise GaslampError(f"{reading.title} is empty", "put rows into it, or set data.source to another file")
    value: Any = documents if len(documents) > 1 else documents[0]
    if isinstance(value, dict) and _are_talks(value.get("conversations")):  # of ChatterBot
        value = value["conversations"]
    if isinstance(value, list):
        yield from chunk_items((_name_talk(item) for item in value), reading)
    else:
        yield from read_value(value, reading)


def _are_talks(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_talk(item) for item in value)


def _is_talk(value: object) -> bool:
    """Whether a value is a list of what is said in turn."""
    return isinstance(value, list) and len(value) > 1 and all(isinstance(text, str) for text in value)


def _name_talk(item: object) -> object:
    return {"dialog": item} if _is_talk(item) else item

"""An .xml file: the element that comes again and again is a row. Translation memories (.tmx, .xlf) too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.chunks import Chunk, Reading
from gaslamp.data.readers.json_values import chunk_items
from gaslamp.data.readers.opening import open_bytes

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LARGEST = 500_000_000  # bytes; the whole file is held in memory
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
UNIT = ("tuv", "seg")  # TMX: a text in one language
FEWEST = 2


def read_xml(reading: Reading) -> Iterator[Chunk]:
    """The rows of an XML file: attributes and elements of the element that repeats are columns.

    Raises:
        GaslampError: it is no valid XML, defines entities, is too large, or no element comes again.
    """
    from xml.etree import ElementTree

    with open_bytes(reading.file) as handle:
        data = handle.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise GaslampError(f"{reading.title} is larger than {LARGEST >> 20} MB", "convert it to .jsonl")
    if re.search(rb"<!ENTITY", data[:1_000_000]):
        raise GaslampError(
            f"{reading.title} defines entities of its own (<!ENTITY ...>), which is not read", "write them out"
        )
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        line, _ = error.position
        raise GaslampError(
            f"{reading.title}, line {line}: not valid XML ({error})", "fix that line: & is written &amp;, < is &lt;"
        ) from error
    tag, rows = _find_rows(root)
    if len(rows) < FEWEST:
        raise GaslampError(
            f"{reading.title}: no element comes again and again, so that none is a row",
            "convert it to .jsonl: one object for each row",
        )
    reading.note(f"each element <{tag}> is a row; its attributes and elements are columns")
    yield from chunk_items(iter(rows), reading)


def _find_rows(root: Element) -> tuple[str, list[dict[str, Any]]]:
    """The tag that comes most often with columns of its own, and its rows."""
    found: Counter[str] = Counter()
    inside: dict[str, set[str]] = {}
    for parent in root.iter():
        for child in parent:
            if len(child) or len(child.attrib) > 1:
                found[child.tag] += 1
                inside.setdefault(child.tag, set()).update(below.tag for below in child.iter() if below is not child)
    most = max(found.values(), default=0)
    # an element in a row may come as often as it: the outer one is the row
    often = [tag for tag, count in found.items() if count >= max(FEWEST, most / 4)]
    outer = [tag for tag in often if not any(tag in inside[other] for other in often if other != tag)]
    best = max(outer, key=lambda tag: found[tag], default="")
    return _strip(best), [_to_row(element) for element in root.iter(best)] if best else []


def _strip(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


def _to_row(element: Element) -> dict[str, Any]:
    row: dict[str, Any] = {_strip(name): value for name, value in element.attrib.items()}
    for child in element:
        tag = _strip(child.tag)
        if tag == UNIT[0]:  # the language is the column
            row[_get_language(child) or tag] = _get_text(child)
            continue
        value: object = _to_row(child) if len(child) or child.attrib else _get_text(child)
        if isinstance(value, dict) and (text := (child.text or "").strip()):
            value["text"] = _get_text(child) if len(child) else text
        if isinstance(value, dict) and set(value) <= {"text", "lang"} and "text" in value:
            value = value["text"]
        if tag in row:
            row[tag] = [*row[tag], value] if isinstance(row[tag], list) else [row[tag], value]
        else:
            row[tag] = value
    return row


def _get_language(element: Element) -> str:
    return (element.get(LANGUAGE) or element.get("lang") or "").split("-")[0].lower()


def _get_text(element: Element) -> str:
    return "".join(element.itertext()).strip()

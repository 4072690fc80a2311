"""docs/config.md: every key of config.yaml with type, default, range and reason, written from the config model."""

from __future__ import annotations

import json
import re
from typing import Any

from gaslamp.config.schema import get_schema

INTRO = """<!-- Written by `make schema` from the models in scripts/gaslamp/config: edit those, not this file. -->
# Every key of config.yaml

A key that is missing has its default. A misspelt key or a value out of range stops the run before it starts, with the
line and the nearest key; all problems are listed at once. Which edit reruns what: [resume.md](resume.md).
"""


def render_config_page() -> str:
    """The page as Markdown: one table for each section, in the order of the file."""
    schema = get_schema()
    parts = [INTRO, "## Top level\n", _render_table(schema, schema)]
    waiting = _get_sections(schema, schema, "")
    while waiting:
        path, description, section = waiting.pop(0)
        parts += [f"## {path}\n\n{description}\n", _render_table(section, schema)]
        waiting = _get_sections(section, schema, f"{path}.") + waiting
    return "\n".join(parts)


def _resolve(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """The section that a property refers to, or ``None`` for a plain value."""
    name = value.get("$ref", "").rsplit("/", 1)[-1]
    found: dict[str, Any] | None = schema["$defs"].get(name)
    return found


def _get_sections(
    section: dict[str, Any], schema: dict[str, Any], prefix: str
) -> list[tuple[str, str, dict[str, Any]]]:
    found = [
        (f"{prefix}{key}", value["description"], _resolve(value, schema))
        for key, value in section["properties"].items()
    ]
    return [(path, description, inner) for path, description, inner in found if inner]


def _render_table(section: dict[str, Any], schema: dict[str, Any]) -> str:
    lines = ["| key | default | takes | why |", "|---|---|---|---|"]
    for key, value in section["properties"].items():
        if not _resolve(value, schema):
            default = (
                json.dumps(value["default"], ensure_ascii=False)
                if "default" in value
                else "{}"
                if value.get("type") == "object"
                else "[]"
            )
            lines.append(f"| `{key}` | `{default}` | {_escape(_get_kind(value))} | {_escape(value['description'])} |")
    return "\n".join(lines) + "\n"


def _get_kind(value: dict[str, Any]) -> str:
    """What may stand there, in words: ``integer, 1 to 1024``, ``block or warn``, ``text or null``."""
    if "anyOf" in value:
        return " or ".join(_get_kind(option) for option in value["anyOf"])
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{item}`" for item in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if "$ref" in value:
        return "mappings with " + ", ".join(f"`{key}`" for key in (_resolve(value, get_schema()) or {})["properties"])
    if value["type"] == "array":
        items = value.get("items", {})
        return "list of " + (_get_kind(items) if items else "values") + (", not empty" if value.get("minItems") else "")
    names = {
        "string": "text",
        "boolean": "true or false",
        "number": "number",
        "integer": "integer",
        "object": "mapping of texts",
        "null": "null",
    }
    if value.get("additionalProperties") is True:
        return "mapping"
    limits = [
        f"{words} {value[key]:.10g}"
        for key, words in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "to below"),
        )
        if key in value
    ]
    if "pattern" in value:
        return f"text that matches `{value['pattern']}`"
    return ", ".join([names[value["type"]], " ".join(limits)]) if limits else names[value["type"]]


def _escape(text: str) -> str:
    return re.sub(r"([|<>])", r"\\\1", text)

"""The completion is JSON, and fits a JSON schema when one is given; a fence around it is allowed unless ``bare``."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from gaslamp.data.rows import Message, Row

TITLE = "JSON that fits the schema"
EXAMPLE = {
    "completion": '{"item": "tea", "count": 2}',
    "row": {},
    "score": 1.0,
    "options": {"schema": {"type": "object", "required": ["item"], "properties": {"count": {"type": "integer"}}}},
}


def score(
    prompt: list[Message],
    completion: str,
    row: Row,
    schema: dict[str, object] | None = None,
    partial: float = 0.25,
    bare: bool = False,
) -> float:
    """1: it fits; ``partial``: JSON, but it does not fit; 0: no JSON. A schema that is none raises.

    ``schema`` null takes the schema in the row's column ``schema`` (as JSON text), and any JSON when there is none.
    """
    text = completion.strip()
    fenced = re.fullmatch(r"```(?:json)?\s*\n(.*)\n```", text, re.DOTALL)
    if fenced and not bare:
        text = fenced.group(1)
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return 0.0
    written = json.dumps(schema, sort_keys=True) if schema is not None else row.get("columns", {}).get("schema")
    if written is None:
        return 1.0
    return 1.0 if _get_validator(written).is_valid(value) else partial


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


@lru_cache(maxsize=256)
def _get_validator(schema: str) -> Any:
    from jsonschema.validators import validator_for

    value = json.loads(schema)
    kind = validator_for(value)
    kind.check_schema(value)
    return kind(value)

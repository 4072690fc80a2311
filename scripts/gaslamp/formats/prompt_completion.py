"""Two columns: what is asked and what is answered, under any of the usual names."""

from __future__ import annotations

import json
from typing import Any

from gaslamp.rows import Row

KIND = "conversation"
EXAMPLE = '{"prompt": "Two teas for Ana", "completion": "{\\"customer\\": \\"Ana\\"}"}'
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("input", "output"),
    ("input", "target"),
    ("source", "target"),
    ("text", "label"),
    ("text", "output"),
)


def detect(columns: list[str], rows: list[dict[str, Any]]) -> dict[str, str] | None:
    """The first pair of names that both stand in the file, whatever their case."""
    lower = {name.lower().strip(): name for name in columns}
    for prompt, completion in PAIRS:
        if prompt in lower and completion in lower:
            mapping = {"prompt": lower[prompt], "completion": lower[completion]}
            return mapping | ({"system": lower["system"]} if "system" in lower else {})
    return None


def get_text(row: dict[str, Any], column: str) -> str:
    """A cell as text: numbers and booleans as JSON writes them, objects as compact JSON. ValueError when there is none."""
    if column not in row or row[column] is None:
        raise ValueError(f"column '{column}' is empty or missing")
    value = row[column]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not text.strip():
        raise ValueError(f"column '{column}' is empty")
    return text


def convert(row: dict[str, Any], mapping: dict[str, str]) -> Row:
    """One user turn and one answer."""
    system = row.get(mapping.get("system", ""))
    head = [{"role": "system", "content": str(system)}] if system else []
    return {
        "messages": [
            *head,
            {"role": "user", "content": get_text(row, mapping["prompt"])},
            {"role": "assistant", "content": get_text(row, mapping["completion"])},
        ]
    }

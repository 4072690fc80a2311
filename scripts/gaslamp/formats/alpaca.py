"""Alpaca: instruction, optional input, output."""

from __future__ import annotations

from typing import Any

from gaslamp.formats.prompt_completion import get_text
from gaslamp.rows import Row

KIND = "conversation"
EXAMPLE = '{"instruction": "Translate to German", "input": "good morning", "output": "guten Morgen"}'


def detect(columns: list[str], rows: list[dict[str, Any]]) -> dict[str, str] | None:
    """instruction and output (or response), with input when it is there."""
    answer = next((name for name in ("output", "response") if name in columns), None)
    if "instruction" not in columns or answer is None:
        return None
    mapping = {"instruction": "instruction", "output": answer}
    return mapping | {key: key for key in ("input", "system") if key in columns}


def convert(row: dict[str, Any], mapping: dict[str, str]) -> Row:
    """One user turn (instruction, then input below it) and the answer."""
    prompt = get_text(row, mapping["instruction"])
    extra = row.get(mapping.get("input", ""))
    if extra:
        prompt = f"{prompt}\n\n{get_text(row, mapping['input'])}"
    system = row.get(mapping.get("system", ""))
    head = [{"role": "system", "content": str(system)}] if system else []
    return {"messages": [*head, {"role": "user", "content": prompt}, {"role": "assistant", "content": get_text(row, mapping["output"])}]}

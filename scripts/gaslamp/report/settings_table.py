"""Nested settings as a table of two columns."""

from __future__ import annotations

import json
from collections.abc import Mapping

from gaslamp.config.lora import drop_unused_options


def flatten(settings: Mapping[str, object], prefix: str = "") -> list[list[str]]:
    """``{"lora": {"r": 16}}`` as ``[["lora.r", "16"]]``; rewards by their names, null values left out."""
    rows: list[list[str]] = []
    for name, value in settings.items():
        if isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
            value = {str(one["name"]): {key: part for key, part in one.items() if key != "name"} for one in value}
        if isinstance(value, dict):
            value = drop_unused_options(value) if name == "lora" else value
            rows += flatten(value, f"{prefix}{name}.")
        elif value is not None:
            rows.append([f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)])
    return rows

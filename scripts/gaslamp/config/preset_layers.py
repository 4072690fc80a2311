"""How the preset of a method is put together, and how it is read without importing the method.

Of other packages it needs none: the interview asks for presets before anything is installed.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gaslamp.core import registry
from gaslamp.core.files import JsonObject

COMMON_PRESET: JsonObject = {
    "batch_size": 2,
    "gradient_accumulation": 1,
    "max_length": 512,
    "packing": False,
    "scheduler": "cosine",
    "warmup_steps": 5,
    "adam_beta2": 0.95,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "gradient_checkpointing": False,
}
"""Train settings for which neither the config nor the method names a value."""

BILLION = 1_000_000_000
"""Parameters; the bounds in a method's BY_SIZE count in it."""

TARGET_ROWS = 400
"""Rows that a small model should see for a narrow task, all epochs together, where train.epochs leaves it open."""

FACTS = (
    "ADAPTERS",
    "ARTEFACT",
    "BATCH_IS_LOSS",
    "BY_SIZE",
    "CHUNKED_LOSS",
    "FULL_BY_SIZE",
    "FULL_PRESET",
    "KINDS",
    "MULTIMODAL",
    "PACKS",
    "PRESET",
    "REFERENCE",
    "SEQUENCES",
)
"""What ``read_method`` reads of a plug-in: values that are written down, not computed."""


def get_layers(method: object, adapter: str) -> list[tuple[JsonObject, dict[float, JsonObject]]]:
    """What comes on top of PRESET, in order: fixed values, then values by size in billions of parameters."""
    layers: list[tuple[JsonObject, dict[float, JsonObject]]] = [({}, getattr(method, "BY_SIZE", {}))]
    if adapter == "none":
        layers.append((getattr(method, "FULL_PRESET", {}), getattr(method, "FULL_BY_SIZE", {})))
    return layers


def fill_preset(method: object, adapter: str = "lora", parameters: int = 0) -> JsonObject:
    """The value of each ``train`` setting that the config leaves open.

    Args:
        method: the plug-in, or what ``read_method`` read of it.
        adapter: ``train.adapter``; the method may have another preset for full fine-tuning.
        parameters: of the base model; the method may have another preset for larger models.
    """
    preset = {**COMMON_PRESET, **getattr(method, "PRESET", {})}
    for own, by_size in get_layers(method, adapter):
        preset |= own
        for bound in sorted(by_size):
            preset |= by_size[bound] if parameters >= bound * BILLION else {}
    return preset


def count_epochs(epochs: float | None, rows: int) -> float:
    """Epochs as set, or as many as show the model TARGET_ROWS rows (1 to 5)."""
    return float(epochs or min(5, max(1, math.ceil(TARGET_ROWS / max(rows, 1)))))


def read_method(name: str) -> SimpleNamespace:
    """FACTS of a method, read from its file: importing it would need packages that an interview may not have.

    A value that is imported from another file of the library is followed there; one that is computed is left out.

    Raises:
        GaslampError: there is no such method; the nearest name is suggested.
    """
    file = registry.find("methods", name)
    if file is None:
        registry.get("methods", name)  # raises with the nearest name
        raise AssertionError(name)
    return SimpleNamespace(**_read_constants(file, frozenset(FACTS)))


def _read_constants(file: Path, names: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gaslamp."):
            wanted = {alias.name: alias.asname or alias.name for alias in node.names}
            origin = registry.LIBRARY.parent.joinpath(*str(node.module).split(".")).with_suffix(".py")
            if taken := frozenset(old for old, new in wanted.items() if new in names and origin.is_file()):
                found |= {wanted[old]: value for old, value in _read_constants(origin, taken).items()}
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id in names:
                    try:
                        found[target.id] = ast.literal_eval(node.value)
                    except ValueError:
                        continue
    return found

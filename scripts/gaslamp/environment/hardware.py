"""The machine in a few words, from what detection recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_hardware(system: Mapping[str, Any]) -> str:
    """System, processor, memory (GB) and GPUs on one line; what was not detected is left out.

    Args:
        system: contents of outputs/env/system.json.
    """
    gpus = [gpu for gpu in system.get("gpus") or [] if gpu.get("name")]
    parts = [
        f"{system.get('os') or ''} {system.get('arch') or ''}".strip(),
        system.get("apple_chip") or system.get("cpu") or "",
    ]
    if memory := system.get("unified_memory_gb") or system.get("memory_gb"):
        parts.append(f"{memory:g} GB memory")
    parts += [f"{gpu['name']} {gpu['vram_gb']:g} GB" if gpu.get("vram_gb") else gpu["name"] for gpu in gpus]
    return ", ".join(part for part in parts if part)

"""Machines that are not this one, and how fast processors are: machines.yaml. Standard library and PyYAML only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from gaslamp.core.errors import GaslampError
from gaslamp.core.nearest import get_hint

FILE = Path(__file__).with_name("machines.yaml")
Machine = Mapping[str, Any]
"""What is known of a machine: a part of outputs/env/system.json (gpus, cores, memory_gb, memory_available_gb,
is_apple_silicon, apple_chip, disk_free_gb), and title and is_rented for one that is not here."""


@dataclass(frozen=True)
class Processor:
    """What a GPU could do at most."""

    name: str
    tflops: float  # dense 16-bit matrix products, 10^12 a second
    price: float | None  # US dollars an hour; None: not known, or nobody rents it
    source: str  # of tflops, in words
    price_source: str  # of price, in words; empty without a price


@lru_cache(maxsize=1)
def _load() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return content


def list_machines() -> list[str]:
    """The names that ``get_machine`` takes."""
    return list(_load()["machines"])


def get_machine(name: str) -> Machine:
    """The facts of a machine by name (t4, mac32 ...), as detection would write them.

    Raises:
        GaslampError: there is no such name; the nearest one is suggested.
    """
    known = _load()["machines"]
    if name.lower() not in known:
        raise GaslampError(
            f"there is no machine '{name}'; {get_hint(name, known)}",
            f"take one of: {', '.join(known)}",
            "leave MACHINE out for the machine that you are on",
        )
    entry = known[name.lower()]
    is_mac = "chip" in entry
    gpu = {"index": 0, "name": entry.get("gpu"), "vram_gb": entry.get("vram_gb"), "vram_free_gb": entry.get("vram_gb")}
    return {
        "title": entry["title"],
        "is_rented": not is_mac,
        "os": "Darwin" if is_mac else "Linux",
        "arch": "arm64" if is_mac else "x86_64",
        "is_apple_silicon": is_mac,
        "apple_chip": entry.get("chip"),
        "cores": entry["cores"],
        "memory_gb": entry["memory_gb"],
        "memory_available_gb": entry["memory_gb"],
        "disk_free_gb": None,  # unknown
        "gpus": [] if is_mac else [gpu],
    }


def find_processor(machine: Machine) -> Processor | None:
    """The GPU of a machine in the table; ``None`` when it has none, or one that the table does not list."""
    gpus = machine.get("gpus") or []
    name = str(gpus[0]["name"] if gpus else machine.get("apple_chip") or "")
    content = _load()
    for entry in content["gpus" if gpus else "apple"] if name else []:
        if entry["match"] in name.lower():
            words = {
                key: f"{content['sources'][source]['title']}, {content['sources'][source]['date']}"
                for key, source in entry["sources"].items()
            }
            price = entry.get("price")
            return Processor(name, float(entry["tflops"]), price, words["tflops"], words.get("price", ""))
    return None

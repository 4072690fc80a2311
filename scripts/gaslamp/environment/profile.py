"""Which profile fits a machine. Of other packages it needs none: it runs before anything is installed."""

from __future__ import annotations

from typing import NamedTuple

from gaslamp.core import registry
from gaslamp.environment.machines import Machine


class Profile(NamedTuple):
    """A profile and why it was taken."""

    name: str
    reason: str


def choose_profile(machine: Machine, method: str | None = None) -> Profile:
    """The profile for a machine: cuda with an NVIDIA GPU, mac on Apple silicon, else cpu.

    Args:
        machine: what detection found.
        method: what should be trained; where MLX does not train it, PyTorch does (mps).
    """
    gpus = machine.get("gpus") or []
    if gpus:
        size = f", {gpus[0]['vram_gb']:g} GB" if gpus[0].get("vram_gb") else ""
        return Profile("cuda", f"{gpus[0]['name']}{size}")
    if machine.get("is_apple_silicon"):
        chip = machine.get("apple_chip") or "Apple silicon"
        if method and method not in registry.get("backends", "mac").METHODS:
            return Profile("mps", f"{chip}; MLX does not train {method}")
        return Profile("mac", str(chip))
    return Profile("cpu", "no NVIDIA GPU and no Apple silicon here")

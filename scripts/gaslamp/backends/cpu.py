"""Train on this machine's processor: TRL and PEFT on plain PyTorch. Works everywhere, for small models."""

from __future__ import annotations

from typing import Any

BUILT = True
REASON = ""
EXTRA = "cpu"
REQUIRES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
METHODS = ("sft",)


def find_machine_problems(system: dict[str, Any]) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if system["os"] == "Windows":
        return [("Windows itself is not supported", "work inside WSL: wsl --install, then clone and run there")]
    return []

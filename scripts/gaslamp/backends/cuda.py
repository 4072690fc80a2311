"""Train on an NVIDIA GPU with Unsloth. Not built yet: declared, so that the preflight can refuse it by name."""

from __future__ import annotations

from typing import Any

BUILT = False
REASON = "Unsloth training on NVIDIA GPUs comes with a later version"
EXTRA = "cuda"
REQUIRES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "unsloth", "bitsandbytes")
METHODS = ("sft",)


def find_machine_problems(system: dict[str, Any]) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if system["gpus"]:
        return []
    other = "mac" if system["is_apple_silicon"] else "cpu"
    return [("no NVIDIA GPU here: nvidia-smi lists none", f"use snakemake --profile {other}, or a machine with an NVIDIA GPU and its driver")]

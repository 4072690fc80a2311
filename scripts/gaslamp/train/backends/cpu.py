"""Train on this machine's processor: TRL and PEFT on plain PyTorch. Works everywhere, for small models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gaslamp.core import registry, threads
from gaslamp.core.processes import get_count

if TYPE_CHECKING:
    from gaslamp.core.events import Events
    from gaslamp.train.run import Plan, Result


BUILT = True
REASON = ""
EXTRA = "cpu"
REQUIRES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
METHODS = tuple(registry.names("methods"))  # the engine knows no method: a new file trains here at once


def find_machine_problems(system: dict[str, Any]) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if system["os"] == "Windows":
        return [("Windows itself is not supported", "work inside WSL: wsl --install, then clone and run there")]
    return []


def find_setting_problems(settings: Any) -> list[tuple[str, str]]:
    """Settings that this backend cannot follow, each with what to do."""
    if settings.train.quantization == "none":
        return []
    return [
        (
            f"train.quantization is {settings.train.quantization}: a processor trains 16- or 32-bit weights",
            "set train.quantization: auto, or use snakemake --profile cuda or mac",
        )
    ]


def prepare_process(settings: Any) -> str:
    """Set what must stand before torch is imported; returns the choice of threads with its reason."""
    return threads.prepare_process()


def choose_dtype(wanted: str) -> tuple[str, str]:
    """The type of the base weights in training and the reason for it."""
    if wanted != "auto":
        return wanted, "set in config.yaml"
    return "float32", "processors without matrix units for 16 bit train no faster in it, and float32 needs no care"


def train(plan: Plan, events: Events) -> Result:
    """Train with TRL on the CPU."""
    from gaslamp.train.trl.engine import train_with_trl

    dtype, reason = choose_dtype(plan.settings.train.dtype)
    arguments: dict[str, Any] = {"use_cpu": True, "bf16": False, "fp16": False}
    if get_count() > 1:
        arguments["ddp_backend"] = "gloo"
    return train_with_trl(plan, events, arguments, dtype, {"dtype": f"{dtype}: {reason}"})

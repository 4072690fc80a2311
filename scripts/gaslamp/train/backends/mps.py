"""Train on Apple silicon with TRL and PEFT on PyTorch MPS: for the methods that MLX does not train.

The same code as cpu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gaslamp.core import registry

if TYPE_CHECKING:
    from gaslamp.config.slices import Slice
    from gaslamp.core.decisions import Decision
    from gaslamp.core.events import Events
    from gaslamp.environment.memory_estimate import DeviceFacts, MemoryFit
    from gaslamp.environment.system import System
    from gaslamp.models.shape import Shape
    from gaslamp.train.plan import Plan, Result

BUILT = True
REASON = ""
EXTRA = "cpu"
REQUIRES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
METHODS = tuple(registry.names("methods"))
MACHINE = "Apple silicon, through PyTorch MPS"
UNUSED_SETTINGS = ("engine", "quantization", "choose")


def find_machine_problems(system: System) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if system["is_apple_silicon"]:
        return []
    here = f"{system['os']} {system['arch']}"
    return [
        (
            f"this is {here}: PyTorch MPS needs a Mac with Apple silicon",
            "use snakemake --profile cpu, which is the same trainer on the processor",
        )
    ]


def find_setting_problems(settings: Slice) -> list[tuple[str, str]]:
    """Settings that PyTorch MPS cannot follow, each with what to do."""
    if settings.train.quantization == "none":
        return []
    return [
        (
            f"train.quantization is {settings.train.quantization}: bitsandbytes has no kernels for MPS",
            "set train.quantization: none, or use snakemake --profile mac, whose 4-bit base is MLX's",
        )
    ]


def estimate_memory(
    shape: Shape, settings: Slice, system: System, device: DeviceFacts, builds_toolchain: bool
) -> MemoryFit:
    """How the training fits into the unified memory."""
    from gaslamp.config.methods import get_method
    from gaslamp.environment.memory_estimate import estimate_main_memory

    return estimate_main_memory(shape, settings.train, system, builds_toolchain, get_method(settings.method))


def prepare_process(settings: Slice) -> Decision:
    """Set what must stand before torch is imported; operations that MPS lacks run on the processor."""
    import os

    from gaslamp.core import threads

    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    return threads.prepare_process()


def choose_dtype(wanted: str, has_mps: bool) -> tuple[str, str]:
    """The type of the base weights in training, and the reason for it."""
    if wanted != "auto":
        return wanted, "set in config.yaml"
    if has_mps:
        return "bfloat16", "half the memory, and it does not overflow as float16 does; the adapter itself stays float32"
    return "float32", "no MPS here: PyTorch computes on the processor"


def train(plan: Plan, events: Events) -> Result:
    """Train with TRL on MPS, or on the processor where PyTorch has none (the tests).

    The weights have their type and the arithmetic follows it: no mixed precision, whose gradient scaler is made for
    CUDA. The optimizer is adamw_torch, generation is the trainer's own: there is no vLLM and no paged optimizer for
    MPS.
    """
    import torch

    from gaslamp.core.decisions import Decision
    from gaslamp.train.trl.engine import train_with_trl

    has_mps = torch.backends.mps.is_available()
    dtype, reason = choose_dtype(plan.settings.train.dtype, has_mps)
    arguments: dict[str, Any] = {"use_cpu": not has_mps, "bf16": False, "fp16": False, "optim": "adamw_torch"}
    return train_with_trl(plan, events, arguments, dtype, [Decision(name="dtype", value=dtype, reason=reason)])

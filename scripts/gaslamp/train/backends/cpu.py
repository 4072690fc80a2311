"""Train on this machine's processor: TRL and PEFT on plain PyTorch. Works everywhere, for small models."""

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
METHODS = tuple(registry.names("methods"))  # the engine knows no method: a new file trains here at once
MACHINE = "this machine's processor, no GPU needed"
PROCESSES = True
AUTO_DTYPE = "float32"  # or bfloat16, where train/cpu_dtype.py finds that it pays and is safe
UNUSED_SETTINGS = ("engine", "quantization", "choose")


def find_machine_problems(system: System) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if system["os"] == "Windows":
        return [("Windows itself is not supported", "work inside WSL: wsl --install, then clone and run there")]
    return []


def find_machine_warnings(system: System) -> list[str]:
    """A GPU that this backend leaves idle."""
    from gaslamp.environment.profile import choose_profile

    better, reason = choose_profile(system)
    if better == "cpu":
        return []
    setup = "make mlx" if better == "mac" else "make setup EXTRA=cuda"
    return [
        f"this machine has a GPU ({reason}), and the profile cpu trains on the processor, which takes many times as "
        f"long: {setup}, then make run PROFILE={better} (or snakemake --profile {better})"
    ]


def find_setting_problems(settings: Slice) -> list[tuple[str, str]]:
    """Settings that this backend cannot follow, each with what to do."""
    if settings.train.quantization == "none":
        return []
    return [
        (
            f"train.quantization is {settings.train.quantization}: a processor trains 16- or 32-bit weights",
            "set train.quantization: auto, or use snakemake --profile cuda or mac",
        )
    ]


def find_setting_warnings(settings: Slice) -> list[tuple[str, str]]:
    """Settings that work here, but not well, each with what to do."""
    if settings.train.dtype != "float16":
        return []
    return [
        (
            "train.dtype is float16 on a processor: slower than float32, and the loss may overflow",
            "set train.dtype: auto",
        )
    ]


def estimate_memory(
    shape: Shape, settings: Slice, system: System, device: DeviceFacts, builds_toolchain: bool
) -> MemoryFit:
    """How the training fits into the main memory."""
    from gaslamp.config.methods import get_method
    from gaslamp.environment.memory_estimate import estimate_main_memory

    return estimate_main_memory(shape, settings.train, system, builds_toolchain, get_method(settings.method))


def prepare_process(settings: Slice) -> Decision:
    """Set what must stand before torch is imported; returns the choice of threads."""
    from gaslamp.core import threads

    return threads.prepare_process(threads.PATIENCE)


def train(plan: Plan, events: Events) -> Result:
    """Train with TRL on the CPU."""
    from gaslamp.core.processes import get_count
    from gaslamp.train.cpu_dtype import choose_dtype
    from gaslamp.train.trl.engine import train_with_trl

    dtype = choose_dtype(plan)
    # bfloat16 weights are computed with under autocast: what needs the precision is done in float32
    arguments: dict[str, Any] = {"use_cpu": True, "bf16": dtype.value == "bfloat16", "fp16": False}
    if get_count() > 1:
        arguments["ddp_backend"] = "gloo"
    return train_with_trl(plan, events, arguments, str(dtype.value), [dtype])

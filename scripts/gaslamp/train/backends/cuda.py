"""Train on an NVIDIA GPU: with Unsloth's kernels, or with plain TRL and PEFT where the config says so."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from gaslamp.config.lora_options import LORA_OPTIONS
from gaslamp.core import registry
from gaslamp.core.files import JsonObject

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
EXTRA = "cuda"
REQUIRES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "bitsandbytes", "unsloth")
METHODS = tuple(registry.names("methods"))
MACHINE = "one NVIDIA GPU in this machine"
AUTOTUNED = True
PROCESSES = True
QUANTIZES = True
VLLM = True
PLAIN_ONLY = ("embedding",)  # Unsloth has its own trainer for sentence encoders, not the one of sentence-transformers


def find_machine_problems(system: System) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if system["gpus"]:
        return []
    other = "mac" if system["is_apple_silicon"] else "cpu"
    return [
        (
            "no NVIDIA GPU here: nvidia-smi lists none",
            f"use snakemake --profile {other}, or a machine with an NVIDIA GPU and its driver",
        )
    ]


def get_lora_options(train: JsonObject) -> tuple[tuple[str, ...], str]:
    """The options of ``train.lora`` that the engine follows, and what to do about the others."""
    if train["engine"] == "trl":
        return LORA_OPTIONS, ""
    return (), "set train.engine: trl, or take it out"


def find_setting_problems(settings: Slice) -> list[tuple[str, str]]:
    """Settings that this backend cannot follow, each with what to do."""
    from gaslamp.config.methods import get_artefact

    train, problems = settings.train, []
    if train.engine == "unsloth" and settings.method in PLAIN_ONLY:
        problems.append((f"Unsloth does not train {settings.method}", "set train.engine: trl"))
    if train.quantization != "none" and get_artefact(settings.method) != "causal_lm":
        problems.append(
            (
                f"train.quantization: {train.quantization} is for language models, {settings.method} trains none",
                "set train.quantization: none",
            )
        )
    if train.options.get("fast_inference"):
        if train.engine != "unsloth":
            problems.append(
                ("train.options.fast_inference is Unsloth's", "set train.engine: unsloth, or fast_inference: false")
            )
        if importlib.util.find_spec("vllm") is None:
            problems.append(
                (
                    "train.options.fast_inference needs vLLM, which is not installed",
                    f'"{sys.executable}" -m pip install vllm, or set it to false',
                )
            )
    return problems


def find_setting_warnings(settings: Slice) -> list[tuple[str, str]]:
    """Settings that work here, but not well, each with what to do."""
    from gaslamp.train.unsloth import find_dropout_warnings

    return find_dropout_warnings(settings.train)


def prepare_process(settings: Slice) -> Decision:
    """Set what must stand before torch is imported, and import Unsloth first of all where it trains."""
    from gaslamp.core import threads
    from gaslamp.train.unsloth import import_unsloth

    decision = threads.prepare_process()
    if settings.train.engine == "unsloth":
        import_unsloth()
    return decision


def estimate_memory(
    shape: Shape, settings: Slice, system: System, device: DeviceFacts, builds_toolchain: bool
) -> MemoryFit:
    """How the training fits into the first GPU, and what would be chosen of the settings that are left open."""
    from gaslamp.train.cuda import estimate_gpu_memory

    return estimate_gpu_memory(shape, settings, system)


def train(plan: Plan, events: Events) -> Result:
    """Train with the engine of the config, on one GPU for each process."""
    from gaslamp.train.cuda import train_on_gpu

    return train_on_gpu(plan, events)

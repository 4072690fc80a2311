"""Train on Apple silicon with MLX, through mlx-lm's trainer, in an environment of its own.

Runs on Linux too, on the processor.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gaslamp.config.slices import Slice
    from gaslamp.core.decisions import Decision
    from gaslamp.core.events import Events
    from gaslamp.core.files import JsonObject
    from gaslamp.environment.memory_estimate import DeviceFacts, MemoryFit
    from gaslamp.environment.system import System
    from gaslamp.models.shape import Shape
    from gaslamp.train.plan import Plan, Result

BUILT = True
REASON = ""
EXTRA = "mlx"
VENV = ".venv-mlx"  # mlx-tune wants datasets<4, the other extras datasets 4: no environment can hold both
REQUIRES = ("mlx", "mlx_lm", "transformers", "pydantic", "psutil")
METHODS = ("sft", "cpt", "dpo", "orpo", "simpo", "kto", "vision_sft")
MACHINE = "Apple silicon, through MLX"
QUANTIZES = True
TRACKERS = False
UNUSED_SETTINGS = ("engine", "choose")
ALTERNATIVE = "use snakemake --profile mps: TRL and PEFT on PyTorch MPS"
# What MLX does not train correctly here, and why.
REFUSED = {
    **dict.fromkeys(
        ("grpo", "gspo", "dr_grpo", "dapo", "rloo", "online_dpo"),
        "MLX has no correct trainer for rewards: mlx-tune's GRPO has no KL term and no clipping",
    ),
    "tts": "it was never tested with MLX",
    "reward": "mlx-lm has no models with a classification head",
    "embedding": "mlx-lm has no contrastive trainer",
}


def find_machine_problems(system: System) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead.

    Linux has all: MLX computes on its processor.
    """
    if system["is_apple_silicon"] or (system["os"] == "Linux" and system["arch"] in ("x86_64", "aarch64")):
        return []
    here = f"{system['os']} {system['arch']}"
    return [
        (
            f"this is {here}: MLX needs a Mac with Apple silicon (or Linux, where it computes on the processor)",
            "use snakemake --profile cpu, or run the project on such a Mac",
        )
    ]


def find_machine_warnings(system: System) -> list[str]:
    """What works here and is not what the backend is for."""
    if system["is_apple_silicon"]:
        return []
    return [
        f"this is {system['os']}, no Mac: MLX computes on the processor, slower than snakemake --profile cpu; "
        "it makes the same files, which is good for a test"
    ]


def get_lora_options(train: JsonObject) -> tuple[tuple[str, ...], str]:
    """The options of ``train.lora`` that MLX follows (r, alpha, dropout and target_modules only), and what to do."""
    return (), f"take it out, or {ALTERNATIVE}"


def find_setting_problems(settings: Slice) -> list[tuple[str, str]]:
    """Settings that MLX cannot follow, each with what to do; every other setting is applied."""
    train, problems = settings.train, []
    if train.adapter == "none":
        problems.append(
            (
                "train.adapter is none: the mac backend trains adapters only",
                f"set train.adapter: lora, or {ALTERNATIVE}",
            )
        )
    if train.packing:
        problems.append(
            (
                "train.packing: MLX would let packed rows attend to each other",
                f"set train.packing: false, or {ALTERNATIVE}",
            )
        )
    if train.report_to:
        problems.append(
            (
                f"train.report_to names {', '.join(train.report_to)}: the mac backend writes to no tracker",
                f"take it out (make dashboard shows the curves), or {ALTERNATIVE}",
            )
        )
    return problems


def read_device() -> DeviceFacts:
    """Facts that MLX reports of this machine's memory, for env.json."""
    from gaslamp.environment import apple_memory

    return apple_memory.read_device()


def estimate_memory(
    shape: Shape, settings: Slice, system: System, device: DeviceFacts, builds_toolchain: bool
) -> MemoryFit:
    """How the training fits into unified memory."""
    from gaslamp.config.methods import get_method
    from gaslamp.environment.apple_memory import estimate_apple_memory

    sequences = getattr(get_method(settings.method), "SEQUENCES", 1)
    return estimate_apple_memory(shape, settings.train, system, device, sequences, "snakemake --profile colab")


def find_model_problems(settings: Slice, folder: Path | None) -> list[tuple[str, str]]:
    """Why MLX does not train a base model that is on this machine already, with what to do.

    Else the training says it.
    """
    from gaslamp.config.methods import is_multimodal
    from gaslamp.core.files import read_json
    from gaslamp.train.mlx.vision_support import find_problem

    problem = find_problem(read_json(folder / "config.json")) if folder and is_multimodal(settings.method) else None
    return [(problem, ALTERNATIVE)] if problem else []


def prepare_process(settings: Slice) -> Decision:
    """Before MLX is imported: quiet tokenizers, and on Linux a better BLAS. MLX starts its threads itself."""
    import os

    from gaslamp.core.decisions import Decision

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return Decision(name="threads", value="MLX's own", reason=load_openblas())


def load_openblas() -> str:
    """Load the system's OpenBLAS on Linux before the reference BLAS of mlx-cpu, which is 30 times slower.

    The dynamic linker looks a symbol up in globally loaded libraries first: the same as LD_PRELOAD, without a new
    process.

    Returns:
        What was done, for train.json; empty: nothing.
    """
    import ctypes
    import ctypes.util
    import sys

    name = ctypes.util.find_library("openblas") if sys.platform == "linux" else None
    if not name:
        return ""
    ctypes.CDLL(name, ctypes.RTLD_GLOBAL)
    return f"matrices by this system's {name}"


def check_checkpoint(checkpoint: Path) -> str | None:
    """What makes a checkpoint of MLX unusable, or ``None``."""
    from gaslamp.train.mlx.resume import check_checkpoint

    return check_checkpoint(checkpoint)


def choose_dtype(wanted: str, has_metal: bool) -> tuple[str, str]:
    """The type of the base weights in training, and the reason for it."""
    if wanted != "auto":
        return wanted, "set in config.yaml"
    if has_metal:
        return "bfloat16", "half the memory, and it does not overflow as float16 does"
    return "float32", "no Metal here: MLX computes on the processor, where 16 bit is slower"


def choose_compile(is_multimodal: bool, has_metal: bool) -> tuple[str, str]:
    """Whether MLX compiles the training step (on, off), and the reason for it.

    Without Metal each new shape of a batch would be compiled as C++: 47 s for the first steps of a tiny model, 0.3 s
    without.
    """
    if is_multimodal:
        return "off", "mlx-vlm's networks look at values while they compute"
    return ("on", "") if has_metal else ("off", "no Metal here")


def train(plan: Plan, events: Events) -> Result:
    """Train with MLX on the device that it picks: Metal on a Mac, the processor elsewhere."""
    import mlx.core as mx

    from gaslamp.config.methods import is_multimodal
    from gaslamp.core.decisions import Decision
    from gaslamp.environment.wired_memory import raise_wired_limit
    from gaslamp.train.mlx.engine import train_with_mlx

    has_metal = mx.metal.is_available()
    compiled, why = choose_compile(is_multimodal(plan.settings.method), has_metal)
    if compiled == "off":
        mx.disable_compile()
    dtype, reason = choose_dtype(plan.settings.train.dtype, has_metal)
    decisions = [
        Decision(name="dtype", value=dtype, reason=reason),
        raise_wired_limit(),
        Decision(name="compile", value=compiled, reason=why),
    ]
    return train_with_mlx(plan, events, dtype, decisions)

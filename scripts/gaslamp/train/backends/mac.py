"""Train on Apple silicon with MLX, through mlx-lm's trainer, in an environment of its own. Runs on Linux too, on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaslamp.core.events import Events
    from gaslamp.train.run import Plan, Result

BUILT = True
REASON = ""
EXTRA = "mlx"
VENV = ".venv-mlx"  # mlx-tune wants datasets<4, the other extras datasets 4: they cannot stand in one environment
REQUIRES = ("mlx", "mlx_lm", "transformers", "pydantic", "psutil")
METHODS = ("sft", "cpt", "dpo", "orpo", "simpo", "kto", "vision_sft")
MPS = "use snakemake --profile mps: TRL and PEFT on PyTorch MPS"
# What MLX does not train honestly here, and what does.
REFUSED = {
    **dict.fromkeys(
        ("grpo", "gspo", "dr_grpo", "dapo", "rloo", "online_dpo"),
        "MLX has no trainer for rewards that keeps to the method: mlx-tune's GRPO has no KL term and no clipping",
    ),
    "tts": "what it makes of recordings was never tried with MLX",
    "reward": "mlx-lm has no models with a head that scores",
    "embedding": "mlx-lm has no contrastive trainer",
}


def find_machine_problems(system: dict[str, Any]) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead. Linux has all: MLX computes on its processor."""
    if system["is_apple_silicon"] or (system["os"] == "Linux" and system["arch"] in ("x86_64", "aarch64")):
        return []
    here = f"{system['os']} {system['arch']}"
    return [
        (
            f"this is {here}: MLX needs a Mac with Apple silicon (or Linux, where it computes on the processor)",
            "use snakemake --profile cpu, or run the project on such a Mac",
        )
    ]


def find_machine_warnings(system: dict[str, Any]) -> list[str]:
    """What works here and is not what the backend is for."""
    if system["is_apple_silicon"]:
        return []
    return [
        f"this is {system['os']}, no Mac: MLX computes on the processor, slower than snakemake --profile cpu does; good for a try of the same files"
    ]


def find_setting_problems(settings: Any) -> list[tuple[str, str]]:
    """What of a config MLX does not do: (problem, fix). Asked by the preflight; what is not said here is really applied."""
    train, problems = settings.train, []
    if train.adapter == "none":
        problems.append(
            ("train.adapter is none: the mac backend trains adapters only", f"set train.adapter: lora, or {MPS}")
        )
    if train.packing:
        problems.append(
            ("train.packing: MLX would let packed rows see each other", f"set train.packing: false, or {MPS}")
        )
    if train.options.get("modules_to_save"):
        problems.append(
            ("train.options.modules_to_save: the mac backend trains adapters only", f"take it out, or {MPS}")
        )
    if train.report_to:
        problems.append(
            (
                f"train.report_to names {', '.join(train.report_to)}: the mac backend writes to no tracker",
                f"take it out (make dashboard shows the curves), or {MPS}",
            )
        )
    return problems


def read_device() -> dict[str, Any]:
    """What MLX says of this machine's memory, for env.json."""
    from gaslamp.environment.apple_memory import read_device

    return read_device()


def find_model_problems(settings: Any, folder: Path | None) -> list[tuple[str, str]]:
    """What of a base model that is on this machine already MLX does not train: (problem, fix); else the training says it."""
    from gaslamp.core.files import read_json
    from gaslamp.train.method import is_multimodal
    from gaslamp.train.mlx.vision import find_problem

    problem = find_problem(read_json(folder / "config.json")) if folder and is_multimodal(settings.method) else None
    return [(problem, MPS)] if problem else []


def prepare_process(settings: Any) -> str:
    """Before MLX is imported: quiet tokenizers, and on Linux a better BLAS. MLX starts its threads itself."""
    import os

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return f"MLX's own{load_openblas()}"


def load_openblas() -> str:
    """On Linux the system's OpenBLAS goes before the reference BLAS that mlx-cpu brings (30 times slower); what was done, for train.json.

    The dynamic linker looks a symbol up in what was loaded for all first: the same as LD_PRELOAD, without starting anew.
    """
    import ctypes
    import ctypes.util
    import sys

    name = ctypes.util.find_library("openblas") if sys.platform == "linux" else None
    if not name:
        return ""
    ctypes.CDLL(name, ctypes.RTLD_GLOBAL)
    return f"; matrices by this system's {name}"


def check_checkpoint(checkpoint: Path) -> str | None:
    """What makes a checkpoint of MLX unusable, or ``None``."""
    from gaslamp.train.mlx.engine import check_checkpoint

    return check_checkpoint(checkpoint)


def choose_dtype(wanted: str, has_metal: bool) -> tuple[str, str]:
    """The type of the base weights in training and the reason for it."""
    if wanted != "auto":
        return wanted, "set in config.yaml"
    if has_metal:
        return "bfloat16", "half the memory, and it does not overflow as float16 does"
    return "float32", "no Metal here: MLX computes on the processor, where 16 bit is slower"


def train(plan: Plan, events: Events) -> Result:
    """Train with MLX on the device that it picks: Metal on a Mac, the processor elsewhere."""
    import mlx.core as mx

    from gaslamp.environment.apple_memory import raise_wired_limit
    from gaslamp.train.method import is_multimodal
    from gaslamp.train.mlx.engine import train_with_mlx

    has_metal = mx.metal.is_available()
    compiled = (
        "on" if has_metal else "off: no Metal here"
    )  # each new shape of a batch would be compiled as C++: 47 s for the first steps of a tiny model, 0.3 s without
    if is_multimodal(plan.settings.method):
        compiled = "off: mlx-vlm's networks look at values while they compute"
    if compiled != "on":
        mx.disable_compile()
    dtype, reason = choose_dtype(plan.settings.train.dtype, has_metal)
    return train_with_mlx(
        plan, events, dtype, {"dtype": f"{dtype}: {reason}", "wired_memory": raise_wired_limit(), "compile": compiled}
    )

"""How much main memory a training takes, calculated part by part before anything is downloaded.

Standard library only, like gpu_memory.py and apple_memory.py: the interview calculates with it before anything is
installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypedDict

from gaslamp.environment.hardware import GB
from gaslamp.models.shape import Shape

if TYPE_CHECKING:
    from gaslamp.core.decisions import Decision

RUNTIME_GB = 0.8  # Python with torch, transformers and trl loaded
TOOLCHAIN_GB = 1.0  # one compiler process on llama.cpp's largest joined file


DeviceFacts = dict[str, Any]
"""Facts that a backend reads of its device; sizes are in bytes."""


class MachineMemory(TypedDict):
    """The facts of a machine (outputs/env/system.json) that estimates need."""

    memory_gb: float
    memory_available_gb: float
    is_apple_silicon: bool


class LoraSettings(Protocol):
    """Section ``train.lora`` of the config."""

    r: int
    alpha: float
    dropout: float
    target_modules: str | list[str]
    use_rslora: bool
    use_dora: bool
    init_lora_weights: str
    modules_to_save: list[str]
    layers_to_transform: list[int] | None
    rank_pattern: dict[str, int]
    alpha_pattern: dict[str, int]


class MemorySettings(Protocol):
    """The keys of section ``train`` that decide how much memory a step takes; the method's preset is filled in."""

    batch_size: int
    gradient_accumulation: int
    max_length: int
    packing: bool
    gradient_checkpointing: bool
    quantization: str  # none | 8bit | 4bit
    engine: str  # unsloth | trl
    adapter: str  # lora | none
    dtype: str  # auto | float32 | bfloat16 | float16
    lora: LoraSettings


@dataclass(frozen=True)
class MemoryFit:
    """Whether a training fits into a machine's memory, before anything is loaded."""

    fit: Literal["fits", "tight", "exceeds", "unknown"]
    parts: dict[str, float]  # GB by part
    free_gb: float
    kind: str = "memory"  # of which device, in words
    decisions: list[Decision] = field(default_factory=list)  # what would be chosen of the settings that are left open
    problems: list[tuple[str, ...]] = field(
        default_factory=list
    )  # no setting makes it fit: (cause, fix[, less likely])
    warnings: list[str] = field(default_factory=list)

    @property
    def need_gb(self) -> float:
        """Sum of the parts."""
        return round(sum(self.parts.values()), 1)


class Leaner(NamedTuple):
    """A setting that needs less memory and keeps the result."""

    name: str
    text: str  # "train.batch_size: 1 with ..."
    changes: dict[str, Any]  # of section train


def get_leaner(train: Mapping[str, Any], batch_is_loss: bool = False) -> list[Leaner]:
    """What is left to change of ``train`` for less memory at the same result, the first to be tried first.

    Args:
        train: section ``train`` as plain values, with the preset filled in.
        batch_is_loss: rows of a batch are compared with each other, so that a smaller batch learns something else.
    """
    steps = []
    if not train["gradient_checkpointing"]:
        text = "train.gradient_checkpointing: true (about a third more time, the same result)"
        steps.append(Leaner("checkpointing", text, {"gradient_checkpointing": True}))
    if train["batch_size"] > 1 and not batch_is_loss:
        effective = train["batch_size"] * train["gradient_accumulation"]
        same = "the same effective batch size, one row at a time"
        text = f"train.batch_size: 1 with gradient_accumulation: {effective} ({same})"
        steps.append(Leaner("one row at a time", text, {"batch_size": 1, "gradient_accumulation": effective}))
    return steps


def judge_fit(need_gb: float, room_gb: float) -> Literal["fits", "tight", "exceeds"]:
    """``fits`` up to 80 % of the room, ``tight`` up to all of it, ``exceeds`` beyond."""
    return "fits" if need_gb <= 0.8 * room_gb else "tight" if need_gb <= room_gb else "exceeds"


def get_adapter_parameters(shape: Shape, lora: LoraSettings) -> int:
    """Parameters of an adapter on all linear layers (seven matrices a layer), and of what is trained in full with it.

    Where the model's widths are unknown, three of the matrices are taken as 3 x hidden long. Each module that is
    trained in full is taken as large as an embedding.
    """
    rank = lora.r
    whole = len(getattr(lora, "modules_to_save", ())) * shape.vocabulary * shape.hidden
    return whole + _get_low_rank_parameters(shape, rank)


def _get_low_rank_parameters(shape: Shape, rank: int) -> int:
    if not (shape.inner and shape.kv_width):
        return rank * shape.layers * shape.hidden * 18
    attention = 4 * shape.hidden + 2 * (shape.hidden + shape.kv_width)  # q and o, k and v
    return rank * shape.layers * (attention + 3 * (shape.hidden + shape.inner))


def writes_text(method: object) -> bool:
    """Whether a method trains a model that gives a probability to every word: a classifier and an encoder do not."""
    return getattr(method, "ARTEFACT", "causal_lm") == "causal_lm"


def get_memory_need(
    shape: Shape, train: MemorySettings, builds_toolchain: bool, method: object = None
) -> dict[str, float]:
    """Upper bound of main memory while training on the CPU, in GB by part: every row taken as max_length tokens long.

    weights      parameters x 4 bytes (2 for a 16-bit train.dtype)
    adapter      adapter parameters x 16 bytes (weight, gradient, two AdamW moments, float32)
    all weights  instead of it with train.adapter none: parameters x 12 bytes (gradient and two moments; 3 x 2 in 16
    bit) reference    a second copy of the weights, for a method that compares with the untrained model while all
    weights change activations  tokens x layers x hidden x 68 bytes (halved in 16 bit); with checkpointing only the
    layers' borders logits       tokens x vocabulary x 12 bytes (logits, their softmax and their gradient, float32)
    runtime      Python, torch, transformers toolchain    the compiler that builds llama.cpp at the same time, when it
    has to where tokens = batch_size x max_length x the sequences of a row (2 for pairs of answers: SEQUENCES of the
    method).
    Measured with batch_size 4: 2.7 GB on rows of at most 130 tokens; this formula says 2.5.

    Args:
        shape: of the base model.
        train: settings with the preset filled in.
        builds_toolchain: whether llama.cpp is compiled at the same time.
        method: the plug-in, for SEQUENCES and REFERENCE.
    """
    size = 2 if train.dtype in ("bfloat16", "float16") else 4
    tokens = train.batch_size * train.max_length * getattr(method, "SEQUENCES", 1)
    # with checkpointing: the input of each layer, and all activations of one layer
    inside = 17 * size * (1 if train.gradient_checkpointing else shape.layers) + (
        size * shape.layers if train.gradient_checkpointing else 0
    )
    full = train.adapter == "none"
    parts = {
        "weights": shape.parameters * size,
        "adapter": 0 if full else get_adapter_parameters(shape, train.lora) * 16,
        "all weights": shape.parameters * 3 * size if full else 0,
        "reference": shape.parameters * size if full and getattr(method, "REFERENCE", False) else 0,
        "activations": tokens * shape.hidden * inside,
        "logits": tokens * shape.vocabulary * 12 if writes_text(method) else 0,
        "runtime": RUNTIME_GB * GB,
        "toolchain": TOOLCHAIN_GB * GB if builds_toolchain else 0,
    }
    return {name: round(value / GB, 2) for name, value in parts.items() if value}


def estimate_main_memory(
    shape: Shape, train: MemorySettings, system: MachineMemory, builds_toolchain: bool, method: object = None
) -> MemoryFit:
    """How a training with PyTorch fits into the main memory, which the GPU of a Mac shares.

    Args:
        shape: of the base model.
        train: settings with the preset filled in.
        system: facts of the machine: memory_gb and memory_available_gb.
        builds_toolchain: whether llama.cpp is compiled at the same time.
        method: the plug-in.
    """
    parts = get_memory_need(shape, train, builds_toolchain, method)
    need, free, total = round(sum(parts.values()), 1), system["memory_available_gb"], system["memory_gb"]
    fit = judge_fit(need, free)
    fixed = sum(parts.get(name, 0) for name in ("weights", "adapter", "all weights", "reference", "runtime"))
    problems: list[tuple[str, ...]] = []
    warnings = []
    if fixed > total:
        cause = f"the model needs at least {fixed:.1f} GB of memory to train, this machine has {total:.1f} GB"
        fix = "choose a smaller model (model.source), or train.dtype: bfloat16, which halves the weights"
        problems = [(cause, fix, "train on another machine, or with another profile")]
    elif fit != "fits":
        listed = ", ".join(f"{part} {size:.1f}" for part, size in parts.items())
        warnings = [
            f"memory: up to {need} GB needed ({listed}), {free} GB free: if it runs out, set "
            "train.gradient_checkpointing, then batch_size 1 with gradient_accumulation, then a shorter max_length"
        ]
    return MemoryFit(fit, parts, free, problems=problems, warnings=warnings)

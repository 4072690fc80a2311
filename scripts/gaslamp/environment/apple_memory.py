"""Unified memory of Apple silicon: how much of it the GPU may hold, and which models fit.

All sizes here are calculated, none was measured on a Mac.
"""

from __future__ import annotations

from gaslamp.environment.hardware import GB
from gaslamp.environment.memory_estimate import (
    DeviceFacts,
    MachineMemory,
    MemoryFit,
    MemorySettings,
    get_adapter_parameters,
    judge_fit,
)
from gaslamp.models.shape import Shape

MACS = (8, 16, 24, 32, 64, 128)
"""GB of unified memory that Apple sells."""
SIZES = {
    "0.5B": Shape(494_000_000, 896, 24, 151_936),
    "1.5B": Shape(1_540_000_000, 1536, 28, 151_936),
    "3B": Shape(3_090_000_000, 2048, 36, 151_936),
    "7B": Shape(7_620_000_000, 3584, 28, 152_064),
    "14B": Shape(14_800_000_000, 5120, 48, 152_064),
    "32B": Shape(32_800_000_000, 5120, 64, 152_064),
    "70B": Shape(70_600_000_000, 8192, 80, 128_256),
}
"""Shapes that are common (Qwen 2.5 and Llama 3)."""
BITS = {"none": 16.0, "8bit": 8.5, "4bit": 4.5}
"""Bits of a weight in memory: a quantized one has a 16-bit scale and offset for every 64."""
RUNTIME_GB = 1.0  # Python with MLX and transformers


def read_device() -> DeviceFacts:
    """Facts that MLX reports of the device: on a Mac memory_size and max_recommended_working_set_size in bytes."""
    import mlx.core as mx

    return dict(mx.device_info()) if mx.metal.is_available() else {}


def get_working_set(total_gb: float, device: DeviceFacts | None = None) -> tuple[float, str]:
    """GB that the GPU may hold at once, and where the figure is from.

    Args:
        total_gb: unified memory.
        device: from read_device; ``None`` or without the figure: Apple's rule is taken, two thirds up to 36 GB and
            three quarters above (calculated).
    """
    reported = (device or {}).get("max_recommended_working_set_size")
    if reported:
        return round(reported / GB, 1), "as Metal reports"
    room = round(total_gb * (0.67 if total_gb <= 36 else 0.75), 1)
    return room, "calculated: two thirds of the memory, three quarters above 36 GB"


def get_mlx_need(shape: Shape, train: MemorySettings, sequences: int = 1) -> dict[str, float]:
    """GB by part for a training with MLX: an upper bound, every row taken as max_length tokens long (calculated).

    weights      parameters x 2 bytes (4 with train.dtype float32), or 4.5 / 8.5 bits; the embedding is quantized too
    adapter      its parameters x 16 bytes (weight, gradient, two moments, float32)
    activations  tokens x layers x hidden x 34 bytes; with checkpointing 2 for each layer and all of one
    logits       tokens x vocabulary x 12 bytes
    runtime      Python, MLX, transformers

    Args:
        shape: of the base model.
        train: settings with the preset filled in.
        sequences: that one row becomes.
    """
    tokens = train.batch_size * train.max_length * sequences
    bits = 32.0 if train.dtype == "float32" and train.quantization == "none" else BITS[train.quantization]
    inside = 34 + 2 * shape.layers if train.gradient_checkpointing else 34 * shape.layers
    parts = {
        "weights": shape.parameters * bits / 8,
        "adapter": get_adapter_parameters(shape, train.lora) * 16,
        "activations": tokens * shape.hidden * inside,
        "logits": tokens * shape.vocabulary * 12,
        "runtime": RUNTIME_GB * GB,
    }
    return {name: round(value / GB, 2) for name, value in parts.items()}


def get_largest(total_gb: float, train: MemorySettings, sequences: int = 1) -> str | None:
    """The largest of SIZES that trains with these settings in a Mac of ``total_gb``.

    ``None``: not even the smallest.
    """
    room = get_working_set(total_gb)[0]
    fitting = [name for name, shape in SIZES.items() if sum(get_mlx_need(shape, train, sequences).values()) <= room]
    return fitting[-1] if fitting else None


def describe_macs(train: MemorySettings, sequences: int = 1) -> str:
    """``8 GB: 0.5B, 16 GB: 1.5B ...``: the largest model for each Mac with these settings."""
    return ", ".join(f"{total} GB: {get_largest(total, train, sequences) or 'none'}" for total in MACS)


def estimate_apple_memory(
    shape: Shape,
    train: MemorySettings,
    system: MachineMemory,
    device: DeviceFacts | None = None,
    sequences: int = 1,
    larger: str = "a machine with more memory",
) -> MemoryFit:
    """How a training with MLX fits into unified memory.

    Args:
        shape: of the base model.
        train: settings with the preset filled in.
        system: facts of the machine: memory_gb, memory_available_gb, is_apple_silicon.
        device: from read_device.
        sequences: that one row becomes.
        larger: what to use for larger models, in words.
    """
    parts, total = get_mlx_need(shape, train, sequences), system["memory_gb"]
    need, (room, source) = sum(parts.values()), get_working_set(total, device)
    fit = judge_fit(need, room)
    text = f"up to {need:.1f} GB needed, {room:.1f} GB for the GPU ({source}); calculated, not measured on a Mac"
    if fit != "fits":
        ways = [] if train.quantization == "4bit" else ["train.quantization: 4bit"]
        ways += [] if train.gradient_checkpointing else ["train.gradient_checkpointing: true"]
        ways += [] if train.batch_size == 1 else ["train.batch_size: 1"]
        text += f"; set {', '.join(ways)}, take" if ways else "; take"
        text += " a shorter max_length or a smaller model"
    text += f". With these settings fit {describe_macs(train, sequences)}; above: {larger}"
    free = system["memory_available_gb"]
    if system["is_apple_silicon"] and parts["weights"] + parts["adapter"] + parts["runtime"] > total:
        problem = (f"memory: {text}", f"choose a smaller model (model.source), or {larger}")
        return MemoryFit(fit, parts, free, problems=[problem])
    return MemoryFit(fit, parts, free, warnings=[f"memory on a Mac: {text}"])

"""Unified memory of Apple silicon: how much of it the GPU may hold, and which models that is enough for.

All sizes here are calculated, none was measured on a Mac.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gaslamp.core import registry
from gaslamp.environment.hardware import GB
from gaslamp.environment.memory_estimate import Shape, get_adapter_parameters

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
"""Of a weight in memory: a quantized one has a 16-bit scale and offset for every 64."""
RUNTIME_GB = 1.0  # Python with MLX and transformers


def read_device() -> dict[str, Any]:
    """What MLX says of the device: on a Mac memory_size and max_recommended_working_set_size in bytes; on Linux neither."""
    import mlx.core as mx

    return dict(mx.device_info()) if mx.metal.is_available() else {}


def get_working_set(total_gb: float, device: dict[str, Any] | None = None) -> tuple[float, str]:
    """GB that the GPU may hold at once, and where the figure is from.

    Args:
        total_gb: unified memory.
        device: from read_device; ``None`` or without the figure: Apple's rule is taken, two thirds up to 36 GB and three
            quarters above (calculated).
    """
    said = (device or {}).get("max_recommended_working_set_size")
    if said:
        return round(said / GB, 1), "as Metal says"
    return round(
        total_gb * (0.67 if total_gb <= 36 else 0.75), 1
    ), "calculated: two thirds of the memory, three quarters above 36 GB"


def raise_wired_limit(
    read: Callable[[], dict[str, Any]] = read_device, set_limit: Callable[[int], Any] | None = None
) -> str:
    """Let MLX keep its memory wired up to the recommended working set; returns what was done, for train.json.

    mlx-lm's trainer does the same; here it is done before the model is loaded, and recorded.
    """
    said = read().get("max_recommended_working_set_size")
    if not said:
        return "not set: no Metal here"
    if set_limit is None:
        import mlx.core as mx

        set_limit = mx.set_wired_limit
    set_limit(int(said))
    return f"{said / GB:.1f} GB: the working set that Metal recommends"


def get_mlx_need(shape: Shape, train: Any, sequences: int = 1) -> dict[str, float]:
    """GB by part for a training with MLX: an upper bound, every row taken as max_length tokens long (calculated).

    weights      parameters x 2 bytes (4 with train.dtype float32), or 4.5 / 8.5 bits; the embedding is quantized too
    adapter      its parameters x 16 bytes (weight, gradient, two moments, float32)
    activations  tokens x layers x hidden x 34 bytes; with checkpointing 2 for each layer and the inside of one
    logits       tokens x vocabulary x 12 bytes
    runtime      Python, MLX, transformers
    """
    tokens = train.batch_size * train.max_length * sequences
    bits = 32.0 if train.dtype == "float32" and train.quantization == "none" else BITS[train.quantization]
    inside = 34 + 2 * shape.layers if train.gradient_checkpointing else 34 * shape.layers
    parts = {
        "weights": shape.parameters * bits / 8,
        "adapter": get_adapter_parameters(shape, train.lora.r) * 16,
        "activations": tokens * shape.hidden * inside,
        "logits": tokens * shape.vocabulary * 12,
        "runtime": RUNTIME_GB * GB,
    }
    return {name: round(value / GB, 2) for name, value in parts.items()}


def get_largest(total_gb: float, train: Any, sequences: int = 1) -> str | None:
    """The largest of SIZES that trains with these settings in a Mac of so much memory; ``None``: not even the smallest."""
    room = get_working_set(total_gb)[0]
    fitting = [name for name, shape in SIZES.items() if sum(get_mlx_need(shape, train, sequences).values()) <= room]
    return fitting[-1] if fitting else None


def describe_macs(train: Any, sequences: int = 1) -> str:
    """``8 GB: 0.5B, 16 GB: 1.5B ...``: what fits which Mac with these settings."""
    return ", ".join(f"{total} GB: {get_largest(total, train, sequences) or 'none'}" for total in MACS)


def find_fit(
    shape: Shape, train: Any, total_gb: float, device: dict[str, Any] | None = None, sequences: int = 1
) -> tuple[str, dict[str, float], str]:
    """``fits``, ``tight`` or ``exceeds``; the parts in GB; and sentences for people: the way out when it does not fit, and what fits which Mac."""
    parts = get_mlx_need(shape, train, sequences)
    need, (room, source) = sum(parts.values()), get_working_set(total_gb, device)
    fit = "fits" if need <= 0.8 * room else "tight" if need <= room else "exceeds"
    text = f"up to {need:.1f} GB needed, {room:.1f} GB for the GPU ({source}); calculated, not measured on a Mac"
    if fit != "fits":
        ways = [] if train.quantization == "4bit" else ["train.quantization: 4bit"]
        ways += [] if train.gradient_checkpointing else ["train.gradient_checkpointing: true"]
        ways += [] if train.batch_size == 1 else ["train.batch_size: 1"]
        text += (
            f"; set {', '.join(ways)}, take a shorter max_length or a smaller model"
            if ways
            else "; take a shorter max_length or a smaller model"
        )
    colab = "snakemake --profile colab" + ("" if registry.get("backends", "colab").BUILT else " (once it is built)")
    return fit, parts, f"{text}. With these settings fit {describe_macs(train, sequences)}; above: {colab}"

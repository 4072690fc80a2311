"""The NVIDIA GPU that a training computes on: its memory, and the attention that it runs."""

from __future__ import annotations

from dataclasses import dataclass

from gaslamp.core.decisions import Decision
from gaslamp.core.processes import get_local_rank
from gaslamp.environment.gpu_memory import CONTEXT_GB


@dataclass(frozen=True)
class Gpu:
    """What is known of a GPU; ``free_gb`` is what a new process may take, CUDA itself not yet counted."""

    name: str
    total_gb: float
    free_gb: float
    capability: tuple[int, int] | None = None  # (9, 0) for an H100
    varlen: str | None = None  # a library with attention for packed rows: flash_attn, xformers


def read_gpu() -> Gpu | None:
    """The GPU that this process computes on; ``None`` without one. What this process holds already counts as free."""
    import importlib.util

    import torch

    if not torch.cuda.is_available():
        return None
    device = get_local_rank()
    free, total = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device)
    varlen = next((name for name in ("flash_attn", "xformers") if importlib.util.find_spec(name)), None)
    return Gpu(
        torch.cuda.get_device_name(device),
        round(total / 1e9, 2),
        round(free / 1e9 + CONTEXT_GB, 2),
        torch.cuda.get_device_capability(device),
        varlen,
    )


def choose_attention(gpu: Gpu, engine: str, dtype: str) -> Decision:
    """The attention of a training; Unsloth takes its own kernels of what is installed.

    Args:
        gpu: that computes.
        engine: unsloth or trl.
        dtype: of the base weights.
    """
    if engine == "unsloth":
        library = gpu.varlen or "PyTorch's fused attention"
        reason = f"Unsloth takes {library}, the fastest of what is installed"
        return Decision(name="attention", value=gpu.varlen or "sdpa", reason=reason)
    if gpu.varlen == "flash_attn" and dtype != "float32" and (gpu.capability or (0, 0)) >= (8, 0):
        reason = "flash_attn is installed, and this GPU runs it"
        return Decision(name="attention", value="flash_attention_2", reason=reason)
    missing = "" if gpu.varlen == "flash_attn" else "; flash_attn is not installed"
    return Decision(name="attention", value="sdpa", reason=f"PyTorch's fused attention{missing}")

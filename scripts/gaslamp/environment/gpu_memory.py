"""Memory of an NVIDIA GPU that a training takes, calculated part by part before anything is loaded.

The constants of the activations are fitted to half of the trainings that docs/hardware.md measured on an H100 and an
H200; tests/unit/environment/test_gpu_memory.py holds the sums to within 10 % of the other half. The probe step corrects
what is calculated.
"""

from __future__ import annotations

from gaslamp.environment.hardware import GB
from gaslamp.environment.memory_estimate import MemorySettings, get_adapter_parameters, writes_text
from gaslamp.models.shape import Shape

CONTEXT_GB = 0.6  # CUDA itself and its kernels, which no allocator counts (calculated, not measured)
BITS_4 = 4 + 8 / 64 + 32 / (64 * 256)
"""Bits of a weight in NF4: 4, an 8-bit scale for each block of 64, a 32-bit one for 256 scales."""
BITS = {"none": 16.0, "8bit": 8.0, "4bit": BITS_4}
INSIDE = {"unsloth": 10.0, "trl": 20.0}
"""Bytes for each token and unit of width (hidden + inner) in the backward pass of one layer, gradients included."""
KEPT = {"unsloth": 6.5, "trl": 13.0}
"""The same of a layer whose activations are kept for the backward pass: no checkpointing.

Unsloth's is fitted to 8B passes of 4,065 to 12,053 tokens on an H200, TRL's is calculated.
"""
UNPACKED = 20.0
"""Bytes more for each token and unit of width (hidden) where quantized weights are unpacked for the backward pass."""
WORKSPACE_GB = {"unsloth": 0.2, "trl": 0.0}  # of the kernels, whatever the model
LOSS_TOKENS = {"unsloth": 128, "trl": 256}
"""Tokens whose logits are in memory at once where the loss is chunked: TRL's chunks; Unsloth's value is fitted."""
LOSS_BYTES = 12  # of a logit: itself, its softmax and its gradient, float32


def get_gpu_need(shape: Shape, train: MemorySettings, tokens: int, method: object = None) -> dict[str, float]:
    """GB by part at the fullest moment of a training step on one GPU.

    weights      2 bytes; 4 bit: see BITS_4. Embedding and output stay 16 bit (plain TRL holds them in 32 bit with
                 quantized weights)
    adapter      its parameters x 16 bytes (weight, gradient, two AdamW moments, float32)
    all weights  instead of it with train.adapter none: x 4 bytes (16-bit gradients, two 8-bit moments); the moments of
                 the embedding stay 32 bit (transformers.Trainer.create_optimizer): 6 bytes more
    reference    a second copy, for a method that compares with the untrained model while all weights change
    activations  INSIDE for one layer, and with checkpointing the 16-bit input of each layer (Unsloth moves these to the
                 main memory; PEFT runs a quantized model's in 32 bit); KEPT for each layer without it
    logits       see LOSS_TOKENS; methods without CHUNKED_LOSS hold those of all tokens, and classifiers and
                 encoders none
    buffers      the largest matrix in 16 bit, where weights are quantized
    workspace    of the kernels, fitted
    context      CUDA itself

    Args:
        shape: of the base model.
        train: settings with the values to judge (gradient_checkpointing, quantization, engine, adapter, lora, dtype).
        tokens: in one forward pass, all sequences and their padding together.
        method: the plug-in, for REFERENCE and CHUNKED_LOSS; ``None``: a chunked loss.
    """
    inner = shape.inner or 3 * shape.hidden
    size = 4 if train.dtype == "float32" else 2
    full = train.adapter == "none"
    quantized = train.quantization != "none" and not full
    kept = min(shape.parameters, shape.vocabulary * shape.hidden * (1 if shape.tied else 2) + shape.tables)
    if quantized:
        weights = (shape.parameters - kept) * BITS[train.quantization] / 8 + kept * (4 if train.engine == "trl" else 2)
    else:
        weights = shape.parameters * size
    width = shape.hidden + inner
    chunked = method is None or getattr(method, "CHUNKED_LOSS", False)
    written = min(tokens, LOSS_TOKENS[train.engine]) if chunked else tokens if writes_text(method) else 0
    if train.gradient_checkpointing:
        borders = 0 if train.engine == "unsloth" else shape.layers * shape.hidden * (4 if quantized else 2)
        activations = tokens * (borders + INSIDE[train.engine] * width)
    else:
        activations = tokens * width * (shape.layers * KEPT[train.engine] + INSIDE[train.engine] - KEPT[train.engine])
    if quantized:
        activations += tokens * shape.hidden * UNPACKED
    parts = {
        "weights": weights,
        "adapter": 0 if full else get_adapter_parameters(shape, train.lora) * 16,
        "all weights": shape.parameters * 4 + shape.vocabulary * shape.hidden * 6 if full else 0,
        "reference": shape.parameters * size if full and getattr(method, "REFERENCE", False) else 0,
        "activations": activations * size / 2,
        "logits": written * shape.vocabulary * LOSS_BYTES,
        "buffers": shape.hidden * inner * 2 if quantized else 0,
        "workspace": WORKSPACE_GB[train.engine] * GB,
        "context": CONTEXT_GB * GB,
    }
    return {part: round(value / GB, 2) for part, value in parts.items() if value}


def describe_parts(parts: dict[str, float]) -> str:
    """``weights 5.7, adapter 0.7 ...``: the parts of a need in words, in GB."""
    return ", ".join(f"{name} {value:.1f}" for name, value in parts.items() if value >= 0.05)

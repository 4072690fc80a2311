"""How much memory a training takes, before anything is downloaded: a formula that stands in the open, and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaslamp.core.files import read_json
from gaslamp.environment.hardware import GB

RUNTIME_GB = 0.8  # Python with torch, transformers and trl loaded
TOOLCHAIN_GB = 1.0  # one compiler process on llama.cpp's largest joined file


@dataclass(frozen=True)
class Shape:
    """What size estimates need of a model; ``guessed`` when only its name was to go by."""

    parameters: int
    hidden: int
    layers: int
    vocabulary: int
    guessed: bool = False
    inner: int = 0  # width of the feed-forward layers; 0: unknown
    kv_width: int = 0  # key-value heads x width of a head; 0: unknown
    tied: bool = False  # one matrix is both embedding and output


def read_shape(folder: Path) -> Shape:
    """The shape that config.json and the weights of a model folder tell."""
    config = read_json(folder / "config.json")
    config = {**config, **(config.get("text_config") or {})}
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    size = 4 if "float32" in str(config.get("dtype") or config.get("torch_dtype") or "float32") else 2
    hidden, layers = int(config.get("hidden_size") or 1024), int(config.get("num_hidden_layers") or 24)
    heads = int(config.get("num_attention_heads") or 0)
    head = int(config.get("head_dim") or (hidden // heads if heads else 0))
    return Shape(
        weights // size,
        hidden,
        layers,
        int(config.get("vocab_size") or 50_000),
        guessed="hidden_size" not in config,
        inner=int(config.get("intermediate_size") or 0),
        kv_width=int(config.get("num_key_value_heads") or heads) * head,
        tied=bool(config.get("tie_word_embeddings")),
    )


def get_adapter_parameters(shape: Shape, rank: int) -> int:
    """Of an adapter on all linear layers: seven matrices a layer; where the model's widths are unknown, three of them about 3 x hidden long."""
    if not (shape.inner and shape.kv_width):
        return rank * shape.layers * shape.hidden * 18
    attention = 4 * shape.hidden + 2 * (shape.hidden + shape.kv_width)  # q and o, k and v
    return rank * shape.layers * (attention + 3 * (shape.hidden + shape.inner))


def get_memory_need(shape: Shape, train: Any, builds_toolchain: bool, method: Any = None) -> dict[str, float]:
    """Upper bound of main memory while training on the CPU, in GB by part: every row taken as max_length tokens long.

    weights      parameters x 4 bytes (2 for a 16-bit train.dtype)
    adapter      adapter parameters x 16 bytes (weight, gradient, two AdamW moments, float32)
    all weights  instead of it with train.adapter none: parameters x 12 bytes (gradient and two moments; 3 x 2 in 16 bit)
    reference    a second copy of the weights, for a method that compares with the untrained model while all weights change
    activations  tokens x layers x hidden x 68 bytes (halved in 16 bit); with checkpointing only the layers' borders
    logits       tokens x vocabulary x 12 bytes (logits, their softmax and their gradient, float32)
    runtime      Python, torch, transformers
    toolchain    the compiler that builds llama.cpp at the same time, when it has to
    where tokens = batch_size x max_length x the sequences of a row (2 for pairs of answers: SEQUENCES of the method).
    Measured with batch_size 4: 2.7 GB on rows of at most 130 tokens; this formula says 2.5.
    """
    size = 2 if train.dtype in ("bfloat16", "float16") else 4
    tokens = train.batch_size * train.max_length * getattr(method, "SEQUENCES", 1)
    # with checkpointing: the input of each layer, and the inside of one
    inside = 17 * size * (1 if train.gradient_checkpointing else shape.layers) + (
        size * shape.layers if train.gradient_checkpointing else 0
    )
    full = train.adapter == "none"
    parts = {
        "weights": shape.parameters * size,
        "adapter": 0 if full else get_adapter_parameters(shape, train.lora.r) * 16,
        "all weights": shape.parameters * 3 * size if full else 0,
        "reference": shape.parameters * size if full and getattr(method, "REFERENCE", False) else 0,
        "activations": tokens * shape.hidden * inside,
        "logits": tokens * shape.vocabulary * 12,
        "runtime": RUNTIME_GB * GB,
        "toolchain": TOOLCHAIN_GB * GB if builds_toolchain else 0,
    }
    return {name: round(value / GB, 2) for name, value in parts.items() if value}

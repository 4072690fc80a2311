"""Sizes of the files that become of a model, calculated. Standard library only."""

from __future__ import annotations

from gaslamp.config import levels
from gaslamp.models.shape import Shape

TOKENIZER_BYTES = 70  # of a token in tokenizer.json: its text, its id, its merge
GGUF_TOKEN_BYTES = 40  # of a token in a GGUF file


def get_merged_bytes(shape: Shape) -> float:
    """Size of the merged model in bytes: always stored in 16 bit."""
    return shape.parameters * 2 + shape.vocabulary * TOKENIZER_BYTES


def get_gguf_bytes(shape: Shape, level: str) -> float:
    """Size of a GGUF file in bytes: quantized, the embedding keeps 6 to 8 bits, and it is much of a small model."""
    divisible = shape.hidden % 256 == 0
    bits = levels.get_bits(level, divisible)
    embedding = min(shape.vocabulary * shape.hidden, shape.parameters)
    kept = max(bits, 6.6 if divisible else 8.5) if level in levels.QUANTIZED else bits
    return (embedding * kept + (shape.parameters - embedding) * bits) / 8 + shape.vocabulary * GGUF_TOKEN_BYTES

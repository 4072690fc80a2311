"""The levels a model can be stored at: llama-quantize's own list, with about how many bits a weight takes at each.

Standard library only: the config is checked against it. A test compares the names with what ``llama-quantize --help``
says.
"""

from __future__ import annotations

from pathlib import Path

CONVERTED = {"f32": 32.0, "bf16": 16.0, "f16": 16.0}
"""Written by the converter from the merged model; f16 is always made, everything else is measured against it."""

QUANTIZED = {
    "q8_0": 8.5,
    "q6_k": 6.6,
    "q5_1": 6.0,
    "q5_k_m": 5.7,
    "q5_k_s": 5.5,
    "q5_0": 5.5,
    "q4_1": 5.0,
    "q4_k_m": 4.9,
    "q4_k_s": 4.6,
    "q4_0": 4.6,
    "iq4_nl": 4.5,
    "iq4_xs": 4.3,
    "q3_k_l": 4.3,
    "q3_k_m": 3.9,
    "iq3_m": 3.7,
    "q3_k_s": 3.5,
    "iq3_s": 3.5,
    "iq3_xs": 3.3,
    "iq3_xxs": 3.1,
    "q2_k": 3.4,
    "q2_k_s": 3.0,
    "iq2_m": 2.7,
    "iq2_s": 2.5,
    "q2_0": 2.3,
    "iq2_xs": 2.3,
    "iq2_xxs": 2.1,
    "tq2_0": 2.1,
    "iq1_m": 1.8,
    "tq1_0": 1.7,
    "iq1_s": 1.6,
    "q1_0": 1.2,
}
"""Name -> nominal bits a weight.

Not here: aliases (Q4_K is Q4_K_M), and MXFP4_MOE, which is for mixtures of experts.
"""

ALL = {**CONVERTED, **QUANTIZED}

NEEDS_IMATRIX = ("iq1_", "iq2_", "iq3_xxs", "iq3_xs", "q2_k")
"""Starts of the names that llama.cpp refuses, or that come out poor, without an importance matrix."""

# What a row takes when 256 does not divide its length: llama.cpp falls back to blocks of 32.
_FALLBACK = (("q6_k", 8.5), ("q5_k", 6.0), ("q4_k", 5.5), ("q3_k", 4.5), ("q2_k", 4.5), ("iq", 4.5), ("tq", 4.5))


def is_with_imatrix(level: str, imatrix: str) -> bool:
    """Whether ``level`` is quantized with an importance matrix under ``export.imatrix`` (auto, always, never)."""
    return level in QUANTIZED and (imatrix == "always" or (imatrix == "auto" and level.startswith(NEEDS_IMATRIX)))


def get_bits(level: str, divisible: bool = True) -> float:
    """Bits a weight takes at ``level``; ``divisible``: the model's width is a multiple of 256."""
    if not divisible:
        return next((bits for start, bits in _FALLBACK if level.startswith(start)), ALL[level])
    return ALL[level]


def get_level(file: Path) -> str:
    """``model-q4_k_m.gguf`` -> ``q4_k_m``"""
    return file.stem.removeprefix("model-")

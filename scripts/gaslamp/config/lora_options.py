"""Names of the options of ``train.lora``; without pydantic, because backends are read before it is installed."""

from __future__ import annotations

LORA_OPTIONS = (
    "use_rslora",
    "use_dora",
    "init_lora_weights",
    "modules_to_save",
    "layers_to_transform",
    "rank_pattern",
    "alpha_pattern",
)
"""Keys of ``train.lora`` that not every backend and method can follow; the names are PEFT's."""

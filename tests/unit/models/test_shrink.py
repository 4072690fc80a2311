"""A small copy of an architecture keeps what a conversion depends on."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.models.shrink import INITIALIZER_RANGE, shrink_config

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0},
    "quantization_config": {"load_in_4bit": True},
    "initializer_range": 0.02,
}
GEMMA = {
    "hidden_size": 640,
    "num_hidden_layers": 18,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "layer_types": [*["sliding_attention"] * 5, "full_attention"] * 3,
}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "heads of the same size, shared": (
        LLAMA,
        {"hidden_size": 256, "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2},
    ),
    "rotary settings and vocabulary stay": (LLAMA, {key: LLAMA[key] for key in ("rope_parameters", "vocab_size")}),
    "every head its own": ({**LLAMA, "num_key_value_heads": 32}, {"num_key_value_heads": 2}),
    "a width that is not heads times size": (
        GEMMA,
        {"hidden_size": 128, "num_attention_heads": 2, "head_dim": 256, "num_key_value_heads": 1},
    ),
    "one layer of each kind": (GEMMA, {"num_hidden_layers": 6, "layer_types": GEMMA["layer_types"][:6]}),
    "a pattern without a list": (
        {**LLAMA, "sliding_window_pattern": 6},
        {"num_hidden_layers": 6, "sliding_window_pattern": 6},
    ),
    "experts": (
        {**LLAMA, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768},
        {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64},
    ),
    "wide heads": (
        {**LLAMA, "hidden_size": 2048, "num_attention_heads": 8},
        {"hidden_size": 256, "num_attention_heads": 1},
    ),
    "already small": (
        {**LLAMA, "hidden_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 100},
        {"hidden_size": 64, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 100},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sizes(name: str) -> None:
    config, expected = CASES[name]
    found = shrink_config(config)
    assert {key: found[key] for key in expected} == expected
    assert set(config) - set(found) <= {"quantization_config"}


def test_the_language_model_of_a_vision_model() -> None:
    vision = {"num_hidden_layers": 27, "hidden_size": 1152, "num_attention_heads": 16}
    found = shrink_config({"text_config": LLAMA, "vision_config": vision, "mm_tokens_per_image": 256})
    assert found["text_config"]["hidden_size"] == 256 and found["text_config"]["initializer_range"] == INITIALIZER_RANGE
    assert found["vision_config"] == {**vision, "num_hidden_layers": 2} and found["mm_tokens_per_image"] == 256

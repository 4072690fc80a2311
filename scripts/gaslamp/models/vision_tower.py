"""Which models that see llama.cpp can convert: the language part is one GGUF file, the eyes need a converter of their own.

Standard library only: the config is checked against it. A test compares the names with those of the pinned llama.cpp.
"""

from __future__ import annotations

from typing import Any

VISION_TOWERS = (
    "Gemma3ForConditionalGeneration",
    "Gemma4ForConditionalGeneration",
    "Glm4vForConditionalGeneration",
    "Glm4vMoeForConditionalGeneration",
    "Idefics3ForConditionalGeneration",
    "JanusForConditionalGeneration",
    "Lfm2VlForConditionalGeneration",
    "LightOnOCRForConditionalGeneration",
    "Llama4ForConditionalGeneration",
    "LlavaForConditionalGeneration",
    "Mistral3ForConditionalGeneration",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen3VLForConditionalGeneration",
    "Qwen3VLMoeForConditionalGeneration",
    "SmolVLMForConditionalGeneration",
)
"""Architectures, as config.json names them, of models that transformers trains with images."""


def find_vision_tower_problem(config: dict[str, Any]) -> str | None:
    """Why llama.cpp cannot convert the eyes of a checkpoint with this config.json; ``None`` when it can, as far as its name tells."""
    name = (config.get("architectures") or ["unknown"])[0]
    if name not in VISION_TOWERS:
        return f"llama.cpp has no converter for the eyes of {name}: no GGUF file of it could see"
    kind = (config.get("vision_config") or {}).get("model_type")
    if name == "LlavaForConditionalGeneration" and kind != "pixtral":
        return f"llama.cpp converts a LLaVA with the eyes of Pixtral only, and this one has those of {kind}: no GGUF file of it could see"
    return None


FIX = "take another model that sees (SmolVLM, Gemma 3, Qwen-VL, Pixtral ...), or set export.formats to [merged]: the run then ends with the merged model"

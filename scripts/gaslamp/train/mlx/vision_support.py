"""Which vision models MLX trains. Light: the preflight reads it."""

from __future__ import annotations

from gaslamp.train.mlx.types import JsonObject

TYPES = ("idefics3",)
"""Model types whose logits a test compares with transformers'.

Another type may have other names for its layers there.
"""
MPS = "use snakemake --profile mps, which trains every model that transformers knows"


def find_problem(config: JsonObject) -> str | None:
    """Why MLX does not train the vision model of a config.json, or ``None``."""
    kind = str(config.get("model_type"))
    text, tower = config.get("text_config") or {}, config.get("vision_config") or {}
    if kind not in TYPES:
        return (
            f"vision_sft on MLX trains Idefics3 (SmolVLM), this is {kind}: mlx-vlm was compared with transformers "
            "for that type only"
        )
    if text.get("model_type", "llama") != "llama":
        return f"its language model is {text['model_type']}: mlx-vlm computes a Llama"
    if (text.get("rope_parameters") or {}).get("rope_type", "default") != "default" or text.get("rope_scaling"):
        return "it scales its positions (rope_scaling), which mlx-vlm ignores for this type of model"
    if tower.get("hidden_act", "gelu_pytorch_tanh") != "gelu_pytorch_tanh":
        return f"its vision tower uses {tower['hidden_act']}, mlx-vlm computes gelu_pytorch_tanh"
    return None

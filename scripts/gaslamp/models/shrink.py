"""A copy of a base model that is small enough to try something with: its architecture and tokenizer, random weights."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.files import JsonObject, read_json, write_json

LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "depth")
HEADS = ("num_attention_heads", "n_head", "num_heads")
WIDTHS = ("hidden_size", "n_embd", "d_model")
LIMITS = {
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size"), 128),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "intermediate_size_mlp"), 64),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_top_k"), 2),
    **dict.fromkeys(("n_group", "topk_group", "n_shared_experts", "first_k_dense_replace"), 1),
}
"""Largest value of sizes in config.json, by their names; what is not named here stays as it is."""
WIDTH = 128
"""Width where the heads do not decide it."""
INITIALIZER_RANGE = 0.1
"""Wide enough that the most likely token is not decided by rounding."""
MOST_LAYERS = 8


def shrink_config(config: JsonObject) -> JsonObject:
    """A config.json of the same architecture with few layers and narrow ones.

    What a conversion depends on stays: kinds of layers, size of a head (and with it the rotary settings), grouped
    heads, vocabulary, context. Quantized weights become plain ones, as they are after a merge.
    """
    small = {key: value for key, value in config.items() if key != "quantization_config"}
    for part in ("text_config", "vision_config", "audio_config"):
        if isinstance(small.get(part), dict):
            small[part] = shrink_config(small[part]) if part == "text_config" else _cut_layers(small[part])
    small = _narrow(_cut_layers(small))
    small |= {key: min(small[key], limit) for key, limit in LIMITS.items() if isinstance(small.get(key), int)}
    return small | ({"initializer_range": INITIALIZER_RANGE} if "initializer_range" in small else {})


def _cut_layers(config: JsonObject) -> JsonObject:
    """Fewer layers, but one of each kind; lists with an entry for each layer are cut too."""
    key = next((key for key in LAYERS if isinstance(config.get(key), int)), None)
    if key is None:
        return config
    whole = config[key]
    lists = {name: value for name, value in config.items() if isinstance(value, list) and len(value) == whole}
    pattern = config.get("sliding_window_pattern")
    needed = [2, pattern if isinstance(pattern, int) and not lists else 0]
    for value in lists.values():
        kinds = {str(entry) for entry in value}
        needed.append(max(next(n for n, entry in enumerate(value, 1) if str(entry) == kind) for kind in kinds))
    count = min(whole, max(min(n, MOST_LAYERS) for n in needed))
    return {**config, key: count, **{name: value[:count] for name, value in lists.items()}}


def _narrow(config: JsonObject) -> JsonObject:
    """Two heads (or one wide one) of the same size, shared as before, and a width that fits them."""
    heads = next((key for key in HEADS if isinstance(config.get(key), int)), None)
    width = next((key for key in WIDTHS if isinstance(config.get(key), int)), None)
    if heads is None or width is None:
        return config
    size = config.get("head_dim") or config[width] // config[heads]
    is_regular = config[width] == config[heads] * size
    count = min(config[heads], 1 if is_regular and size > WIDTH else 2)
    small = {**config, heads: count, width: count * size if is_regular else WIDTH}
    shared = config.get("num_key_value_heads")
    if isinstance(shared, int):
        small["num_key_value_heads"] = count if shared == config[heads] else 1
    return small


def write_shrunken(base: Path, out: Path, seed: int = 1) -> None:
    """Write the shrunken copy of the model in ``base`` to ``out``: config, generation config, random weights in 16 bit.

    Raises:
        Exception: whatever transformers raises for a config that it cannot make a model of.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, GenerationConfig

    out.mkdir(parents=True)
    write_json(out / "config.json", shrink_config(read_json(base / "config.json")))
    config = AutoConfig.from_pretrained(out, trust_remote_code=False)
    kind = AutoModelForImageTextToText if getattr(config, "vision_config", None) else AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = kind.from_config(config, dtype=torch.float32, trust_remote_code=False)
    if (base / "generation_config.json").is_file():
        net.generation_config = GenerationConfig.from_pretrained(base)
    net.to(torch.float16).save_pretrained(out)

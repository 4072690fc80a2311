"""Models between Hugging Face and MLX: loaded with the right positions, adapted, saved in PEFT or MLX layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.environment.memory_estimate import LoraSettings
from gaslamp.train.mlx.types import Array, JsonObject, Model

GROUP = 64  # weights that share a scale where MLX quantizes


def get_config_changes(config: JsonObject) -> JsonObject:
    """Keys that mlx-lm needs in a config.json that transformers 5 wrote.

    transformers 5 keeps all about positions in ``rope_parameters``; mlx-lm 0.32 reads ``rope_theta``, ``rope_scaling``
    and
    others at the top and takes 10000 silently when there is none: the model then answers wrongly from the first token
    on.
    """
    parameters = config.get("rope_parameters") or {}
    changes: dict[str, Any] = {}
    if "full_attention" in parameters:  # one set for each kind of layer (Gemma 3)
        local = parameters.get("sliding_attention") or {}
        if "rope_theta" in local:
            changes["rope_local_base_freq"] = local["rope_theta"]
        parameters = parameters["full_attention"]
    changes |= {key: parameters[key] for key in ("rope_theta", "partial_rotary_factor") if key in parameters}
    kind = parameters.get("rope_type", "default")
    if kind != "default":
        changes["rope_scaling"] = {
            "type": kind,
            **{key: value for key, value in parameters.items() if key != "rope_theta"},
        }
    changes = {key: value for key, value in changes.items() if config.get(key) is None}
    if config.get("text_config"):
        inner = get_config_changes(config["text_config"])
        changes |= {"text_config": {**config["text_config"], **inner}} if inner else {}
    return changes


def load_model(folder: str | Path, dtype: str, quantization: str = "none") -> tuple[Model, JsonObject]:
    """A causal language model in MLX from a Hugging Face folder, and its config.

    Args:
        folder: checkpoint with safetensors.
        dtype: float32, bfloat16 or float16: of every weight that is not quantized.
        quantization: none, 8bit or 4bit: how the weights are held.

    Raises:
        GaslampError: an architecture that mlx-lm does not support, or weights that are quantized already.
    """
    import mlx.core as mx
    from mlx_lm.utils import load_model as load
    from mlx_lm.utils import quantize_model

    config = read_json(Path(folder) / "config.json")
    if config.get("quantization") or config.get("quantization_config"):
        raise GaslampError(
            f"{folder} holds quantized weights",
            "set model.source to the 16-bit version of this model; train.quantization: 4bit makes 4-bit weights of it",
        )
    try:
        model, config = load(Path(folder), lazy=True, model_config=get_config_changes(config))
    except ValueError as error:
        raise GaslampError(
            f"mlx-lm cannot load {folder}: {str(error).splitlines()[0][:300]}",
            "use snakemake --profile mps, which trains every model that transformers supports",
            "a newer mlx-lm may support it",
        ) from error
    model.set_dtype(getattr(mx, dtype))
    if quantization != "none":
        model, config = quantize_model(model, config, group_size=GROUP, bits=4 if quantization == "4bit" else 8)
    mx.eval(model.parameters())
    return model, config


def get_bits(model: Model) -> float:
    """Bits that a weight takes in memory, as measured on the loaded model (scales included)."""
    from mlx_lm.utils import compute_bits_per_weight

    return round(float(compute_bits_per_weight(model)), 2)


def add_adapter(
    model: Model, lora: LoraSettings, names: dict[str, str], choose: Callable[[list[str]], list[str]] | None = None
) -> dict[str, str]:
    """Freeze the model and put LoRA on its linear layers; returns those layers with their names in the checkpoint.

    Args:
        model: from load_model.
        lora: settings r, alpha, dropout, target_modules.
        names: module of the model -> its name in the base checkpoint, to which the adapter must fit.
        choose: picks the layers to adapt from names of linear layers in the checkpoint; ``None``: ``target_modules``
            decides.

    Raises:
        GaslampError: nothing to adapt, or layers that have no counterpart in the checkpoint.
    """
    import mlx.nn as nn
    from mlx_lm.tuner.utils import linear_to_lora_layers

    wanted = lora.target_modules
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.QuantizedLinear)]
    chosen = set(choose([names.get(name, name) for name in linear])) if choose else None
    if chosen is not None:
        picked = [name for name in linear if names.get(name, name) in chosen]
    else:
        picked = [
            name
            for name in linear
            if (name.rpartition(".")[2] != "lm_head" if wanted == "all-linear" else name.rpartition(".")[2] in wanted)
        ]
    if not picked:
        raise GaslampError(
            f"no linear layer of this model is called {wanted}",
            "set train.lora.target_modules: all-linear",
            f"its layers: {', '.join(sorted({n.rpartition('.')[2] for n in linear}))}",
        )
    unmatched = sorted(set(picked) - set(names))
    if unmatched:
        raise GaslampError(
            f"MLX splits or joins layers of this model ({unmatched[0]} is not in its checkpoint): an adapter made here "
            "would not work in any other program",
            "use snakemake --profile mps",
        )
    model.freeze()
    linear_to_lora_layers(
        model, 0, {"rank": lora.r, "scale": lora.alpha / lora.r, "dropout": lora.dropout, "keys": set(picked)}
    )
    return {name: names[name] for name in picked}


def read_module_names(folder: str | Path) -> dict[str, str]:
    """Modules of a checkpoint that have a weight, from its safetensors headers; mlx-lm has the same names."""
    found: set[str] = set()
    for file in Path(folder).glob("*.safetensors"):
        with file.open("rb") as handle:
            header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
        found |= {name.removesuffix(".weight") for name in header if name.endswith(".weight")}
    return {name: name for name in found}


def save_peft(weights: dict[str, Array], modules: dict[str, str], lora: LoraSettings, source: str, out: Path) -> None:
    """Write an adapter in PEFT layout: what evaluation, merge and every exporter read.

    Args:
        weights: MLX's names -> arrays: ``<module>.lora_a`` [inputs, rank] and ``<module>.lora_b`` [rank, outputs].
        modules: full names of the adapted modules, in MLX -> in the checkpoint.
        lora: settings r, alpha, dropout.
        source: the base model as the user named it.
        out: folder to write.
    """
    import numpy
    from safetensors.numpy import save_file

    tensors = {}
    for module, name in modules.items():
        for ours, theirs in (("lora_a", "lora_A"), ("lora_b", "lora_B")):
            value = numpy.array(weights[f"{module}.{ours}"], dtype=numpy.float32)
            tensors[f"base_model.model.{name}.{theirs}.weight"] = numpy.ascontiguousarray(value.T)
    # a vision model has layers of the same last name that are not adapted
    targets = (
        set(modules.values())
        if any(ours != theirs for ours, theirs in modules.items())
        else {module.rpartition(".")[2] for module in modules}
    )
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": source,
        "r": lora.r,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": sorted(targets),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    write_json(out / "adapter_config.json", config)


def read_peft(folder: Path, modules: dict[str, str] | None = None) -> dict[str, Array]:
    """Read an adapter in PEFT layout.

    Args:
        folder: with adapter_model.safetensors.
        modules: names in MLX -> in the checkpoint, where they differ.

    Returns:
        MLX's names -> arrays in MLX's shapes, as in save_peft.
    """
    import mlx.core as mx

    found, ours = {}, {theirs: module for module, theirs in (modules or {}).items()}
    for name, value in mx.load(str(folder / "adapter_model.safetensors")).items():
        module, _, kind = name.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
        found[f"{ours.get(module, module)}.{kind.lower()}"] = value.T
    return found


def convert(merged: Path, out: Path, bits: int, ids: list[int]) -> dict[str, float]:
    """Write a Hugging Face folder as an MLX folder, load it again with ``mlx_lm.load`` and compare next tokens.

    Args:
        merged: the merged model.
        out: folder to write.
        bits: 16 keeps the weights, 8 and 4 quantize them.
        ids: tokens of one rendered row.

    Returns:
        bits_per_weight, size_bytes, ``difference`` (largest of a next-token probability to the merged model in
        float32), and ``same_next`` (share of positions with the same likeliest token).
    """
    import mlx.core as mx
    import mlx_lm
    from mlx_lm.utils import load_tokenizer, save

    def read(model: Model) -> Array:
        return mx.softmax(model(mx.array([ids])).astype(mx.float32), axis=-1)

    reference = read(load_model(merged, "float32")[0])
    stored = str(read_json(merged / "config.json").get("dtype") or "float16")
    model, config = load_model(merged, stored, {16: "none", 8: "8bit", 4: "4bit"}[bits])
    measured = get_bits(model)
    save(
        out,
        merged,
        model,
        load_tokenizer(merged),
        {**read_json(merged / "config.json"), **get_config_changes(read_json(merged / "config.json")), **config},
    )
    del model
    found = read(mlx_lm.load(str(out))[0])
    return {
        "bits_per_weight": measured,
        "size_bytes": sum(file.stat().st_size for file in out.iterdir()),
        "difference": round(float(mx.abs(found - reference).max().item()), 6),
        "same_next": round(float((found.argmax(-1) == reference.argmax(-1)).mean().item()), 4),
    }

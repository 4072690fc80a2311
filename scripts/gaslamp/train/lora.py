"""What an adapter can be made of: which options of ``train.lora`` go together, and which fit a model.

Everything here is known before the training: from the config alone (``find_setting_problems``), or from the model's
folder (``find_model_problems``). What passes is proven by tests to be the same model when it is merged and converted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gaslamp.config.backends import get_auto_dtype, get_lora_options
from gaslamp.config.lora import (
    EMBEDDINGS,
    HEAD,
    get_embeddings,
    get_target_embeddings,
    get_used_options,
    needs_whole_base,
)
from gaslamp.config.methods import get_artefact, get_method, is_multimodal
from gaslamp.config.sections.train import CHANGES_BASE
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json
from gaslamp.models.checkpoint import read_tensors

SEPARABLE = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Phi3ForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
)
"""Architectures for which a test converts a model with tied embeddings after its head was separated from them."""


def find_setting_problems(method: str, backend: str, train: JsonObject) -> Iterator[tuple[tuple[str, ...], str]]:
    """What in ``train.lora`` cannot work, as (path below train, message).

    Args:
        method, backend: names.
        train: the section as plain values, with the preset filled in.
    """
    if train["adapter"] == "none":
        return
    lora = train["lora"]
    able, instead = get_lora_options(backend, train)
    for key in get_used_options(lora):
        if key not in able:
            yield ("lora", key), f"not proven with this backend: {instead}"
    embeddings, in_targets = get_embeddings(lora), get_target_embeddings(lora)
    listed = ", ".join(in_targets)
    if in_targets and "modules_to_save" not in able:
        yield ("lora", "target_modules"), f"{listed}: not proven with this backend: {instead}"
    if embeddings and (get_artefact(method) != "causal_lm" or (in_targets and is_multimodal(method))):
        key = "target_modules" if in_targets else "modules_to_save"
        yield ("lora", key), f"the method {method} cannot train {', '.join(embeddings)}: take it out"
    elif lora["modules_to_save"] and get_artefact(method) != "causal_lm":
        yield ("lora", "modules_to_save"), f"the method {method} trains no further modules: leave it empty"
    wanted = lora["target_modules"] if isinstance(lora["target_modules"], list) else in_targets
    both = {name.rpartition(".")[2] for name in wanted} & {name.rpartition(".")[2] for name in lora["modules_to_save"]}
    if both:
        message = f"{', '.join(sorted(both))} is in target_modules too: name it in one of the two"
        yield ("lora", "modules_to_save"), message
    if lora["layers_to_transform"] and get_artefact(method) == "encoder":
        message = f"PEFT finds no numbered layers in the model that {method} trains: leave it null"
        yield ("lora", "layers_to_transform"), message
    if lora["layers_to_transform"] and in_targets:
        message = f"{listed} is outside the layers and would be left out"
        yield ("lora", "layers_to_transform"), f"{message}: take it out of target_modules, or use modules_to_save"
    if lora["use_dora"] and in_targets:
        yield ("lora", "use_dora"), f"DoRA on {listed} is not proven: take it out of target_modules"
    if needs_whole_base(lora):
        what = "DoRA" if lora["use_dora"] else ", ".join(embeddings) or lora["init_lora_weights"]
        if train["quantization"] != "none":
            yield ("quantization",), f"{what} (train.lora) is not proven on a quantized base: set it to none"
        if "quantization" in (train["choose"] or ()):
            yield ("choose",), f"{what} (train.lora) is not proven on a quantized base: take quantization out"
    if lora["init_lora_weights"] in CHANGES_BASE:
        yield from ((("lora", "init_lora_weights"), text) for text in _find_start_problems(method, backend, train))


def _find_start_problems(method: str, backend: str, train: JsonObject) -> Iterator[str]:
    """Why an adapter cannot be taken out of the base weights."""
    lora, start = train["lora"], train["lora"]["init_lora_weights"]
    plugin = get_method(method)
    if get_artefact(method) != "causal_lm" or is_multimodal(method) or hasattr(plugin, "save"):
        yield f"{start} is built for methods that train a text model; {method} is none: use default"
    elif getattr(plugin, "REFERENCE", False):
        yield (f"{start} changes the base weights, and {method} compares with the base model: use default")
    dtype = get_auto_dtype(backend) if train["dtype"] == "auto" else train["dtype"]
    if dtype != "float32":
        yield f"{start} changes the base weights, and 16 bit would round them: set train.dtype: float32, or use default"
    clashing = [key for key in ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern") if lora[key]]
    if clashing or get_embeddings(lora):
        what = ", ".join(clashing) or ", ".join(get_embeddings(lora))
        yield f"{start} is not saved exactly together with {what}: use default, or leave those out"


def find_model_problems(train: JsonObject, folder: Path, multimodal: bool = False) -> list[tuple[str, str]]:
    """What in ``train.lora`` does not fit the base model in ``folder``, each with its fix.

    Args:
        train: the section as plain values.
        folder: checkpoint.
        multimodal: its names in the checkpoint may be others than in the model, so that only last names are compared.
    """
    if train["adapter"] == "none":
        return []
    lora, config = train["lora"], read_json(folder / "config.json")
    if lora["target_modules"] == "all-linear" and not get_used_options(lora):
        return []
    config = {**config, **(config.get("text_config") or {})}
    try:
        names = read_module_names(folder)
    except GaslampError as error:  # a damaged file
        return [(error.cause, error.fix)]
    shown = ", ".join(sorted({name.rpartition(".")[2] for name in names if not name.rpartition(".")[2].isdigit()}))
    problems = []
    for key in ("target_modules", "modules_to_save", "rank_pattern", "alpha_pattern"):
        wanted = [] if isinstance(lora.get(key), str) else list(lora.get(key) or ())
        missing = [name for name in wanted if not _is_there(name, names, key.endswith("_pattern"), multimodal)]
        if missing:
            problems.append((f"train.lora.{key}: this model has no module {', '.join(missing)}", f"it has {shown}"))
    pattern = lora["target_modules"]
    if isinstance(pattern, str) and pattern != "all-linear" and not any(re.fullmatch(pattern, name) for name in names):
        fix = f"use all-linear or a list of names; it has {shown}"
        problems.append((f"train.lora.target_modules: no module of this model matches {pattern}", fix))
    count = int(config.get("num_hidden_layers") or 0)
    beyond = [number for number in lora.get("layers_to_transform") or () if count and number >= count]
    if beyond:
        cause = f"train.lora.layers_to_transform: layer {', '.join(map(str, beyond))} is not in this model"
        problems.append((cause, f"its {count} layers are 0 to {count - 1}"))
    architecture = (config.get("architectures") or ["unknown"])[0]
    if get_embeddings(lora) and is_tied(config) and architecture not in SEPARABLE:
        problems.append(
            (
                f"train.lora trains {', '.join(get_embeddings(lora))} of {architecture}, whose embedding and output "
                "are one matrix: that GGUF files of this architecture keep two was never tested",
                f"take it out of train.lora, or choose a model of another architecture ({', '.join(SEPARABLE)})",
            )
        )
    return problems


def describe_separation(train: JsonObject, folder: Path) -> str | None:
    """What training does to a model whose embedding and output are one matrix, when it changes one of them."""
    config = read_json(folder / "config.json")
    config = {**config, **(config.get("text_config") or {})}
    if train["adapter"] == "none" or not get_embeddings(train["lora"]) or not is_tied(config):
        return None
    size = int(config.get("vocab_size") or 0) * int(config.get("hidden_size") or 0) * 2 / 1e6
    return (
        f"{', '.join(get_embeddings(train['lora']))} is trained, and embedding and output of this model are one "
        f"matrix: they become two, and the merged model and its f16 file {size:,.0f} MB larger"
    )


def is_tied(config: Mapping[str, Any]) -> bool:
    """Whether one matrix is both embedding and output; a config.json that does not say it leaves it to transformers."""
    if "tie_word_embeddings" in config:
        return bool(config["tie_word_embeddings"])
    from transformers import AutoConfig

    known = AutoConfig.for_model(str(config.get("model_type"))).get_text_config()
    return bool(getattr(known, "tie_word_embeddings", True))


def read_module_names(folder: Path) -> set[str]:
    """Modules of a checkpoint that hold a weight, and the head, which a file leaves out when it is the embedding."""
    names = {tensor.name.removesuffix(".weight") for tensor in read_tensors(folder) if tensor.name.endswith(".weight")}
    return {*names, HEAD}


def read_linear_names(folder: Path) -> list[str]:
    """Last names of the linear modules in the layers of a checkpoint: what ``all-linear`` means there."""
    found = {
        tensor.name.removesuffix(".weight").rpartition(".")[2]
        for tensor in read_tensors(folder)
        if tensor.name.endswith(".weight") and len(tensor.shape) == 2 and re.search(r"\.\d+\.", tensor.name)
    }
    return sorted(found - set(EMBEDDINGS))


def _is_there(wanted: str, names: set[str], is_pattern: bool, multimodal: bool) -> bool:
    """Whether a name of the config is a module, as PEFT compares them."""
    if multimodal:
        wanted = wanted.rpartition(".")[2]
    if is_pattern:
        try:
            pattern = re.compile(rf"(.*\.)?({wanted})$")
        except re.error:
            return False
        return any(pattern.match(name) for name in names)
    return any(name == wanted or name.endswith(f".{wanted}") for name in names)

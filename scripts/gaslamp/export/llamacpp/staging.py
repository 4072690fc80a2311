"""The folder that llama.cpp's converter reads: a merged model, with what that program needs and does not find in it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.base_models import ENCODERS
from gaslamp.core.files import JsonObject, read_json, write_json
from gaslamp.export.artefacts import link_or_copy
from gaslamp.export.llamacpp.convert import convert_to_gguf
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts, stop_adding_bos
from gaslamp.export.llamacpp.sentencepiece_file import get_space_prefix, is_sentencepiece, write_sentencepiece
from gaslamp.export.llamacpp.toolchain import Toolchain
from gaslamp.models.checkpoint import is_encoder_model
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.template import Renderer

if TYPE_CHECKING:
    import torch

HEADS = ("score.weight",)
"""Tensors of a reward model that are in its head.json."""


def convert_staged(
    toolchain: Toolchain,
    merged: Path,
    out: Path,
    source: str,
    log: Path,
    outtype: str = "f16",
    origin: str | None = None,
) -> None:
    """Convert a merged model to the GGUF file ``out``.

    Args:
        toolchain: contents of toolchain.json.
        merged: folder of the model, in any form that the exporter ``merged`` writes.
        out: file to write; it is complete or absent.
        source: of the base model, for the file's name of the model.
        log: receives the converter's output.
        outtype: f32, f16 or bf16.
        origin: where the model comes from, for ``general.description`` of the file; ``None``: it has none.

    Raises:
        GaslampError: with the converter's own lines.
    """
    adds_bos = wants_bos(merged)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".staged-") as place:
        named = Path(place) / "model"  # the converter writes what it makes of the folder's name into the file
        named.mkdir()
        staged = stage(merged, named, adds_bos)
        convert_to_gguf(toolchain, staged, out, outtype, log, name=get_file_name(merged, source), origin=origin)
    if not adds_bos and read_gguf_facts(out)["add_bos"]:
        stop_adding_bos(out)


def wants_bos(folder: Path) -> bool:
    """Whether llama.cpp must put a BOS token in front of a text: the tokenizer does, and conversations have one.

    A BOS token that the chat template writes stands in the text that a server tokenizes. Many a template begins with a
    token that is BOS by its name only (ChatML on SmolLM2): plain text has none then.
    """
    tokenizer = load_tokenizer(folder)
    if not _get_added(folder, plain=True)["add_bos_token"]:
        return False
    if not isinstance(tokenizer.chat_template, str) or is_encoder(folder):
        return True
    renderer = Renderer(tokenizer, tokenizer.chat_template, [])
    return renderer.render([{"role": "user", "content": "Hello"}], generate=True).startswith(tokenizer.bos_token)


def is_encoder(folder: Path) -> bool:
    """Whether a merged model is an encoder, which reads plain texts."""
    return is_encoder_model(folder) or get_body(read_json(folder / "config.json")) == "Model"


def get_body(config: JsonObject) -> str | None:
    """What a model is instead of a causal language model, by the end of its architecture's name.

    None also for encoders that the converter knows as such.
    """
    name = (config.get("architectures") or [""])[0]
    if name.endswith("LMHeadModel") or name in ENCODERS:
        return None
    return next((suffix for suffix in ("ForSequenceClassification", "Model") if name.endswith(suffix)), None)


def stage(merged: Path, place: Path, adds_bos: bool = True) -> Path:
    """The folder to convert.

    Args:
        merged: of the merged model.
        place: empty folder on the same disk; what differs from the merged model is written there, the rest is linked.
        adds_bos: llama.cpp must put a BOS token in front of a text.

    Returns:
        ``merged`` when the converter needs nothing more, else ``place``.
    """
    if is_encoder_model(merged):
        return merged  # the converter knows it, with its tokenizer and the pooling in its folder
    changed = _write_causal_lm(merged, place)
    changed = _write_tokenizer(merged, place, adds_bos) or changed
    if not changed:
        return merged
    for file in merged.iterdir():
        if file.is_file() and not (place / file.name).exists() and not _is_replaced(file, place):
            link_or_copy(file, place / file.name)
    return place


def get_file_name(folder: Path, source: str) -> str:
    """``general.name`` of the GGUF file of a model whose base is ``source``.

    llama.cpp takes this name for a fact: when it says Phi-3, white space behind special tokens is dropped. So a Phi-3
    is called so if its own tokenizer does that, and only then.
    """
    name = Path(source.removeprefix("embedded:")).name or "model"
    file = folder / "tokenizer.json"
    if read_json(folder / "config.json").get("model_type") != "phi3" or not file.is_file():
        return name
    tokenizer = read_json(file)
    plain = re.sub("(?i)phi-?3", "Phi_3", name)
    drops = is_sentencepiece(tokenizer) and any(t["rstrip"] for t in tokenizer["added_tokens"] if t["special"])
    return f"Phi-3 {plain}" if drops else plain


def _is_replaced(file: Path, place: Path) -> bool:
    """Whether ``file`` belongs to the weights, of which ``place`` has its own."""
    is_weight = file.suffix == ".safetensors" or file.name == "model.safetensors.index.json"
    return is_weight and (place / "model.safetensors").is_file()


def _write_tokenizer(merged: Path, place: Path, adds_bos: bool) -> bool:
    """What the converter wants to know of a tokenizer and the merged model does not say; False when it says all."""
    file, settings = merged / "tokenizer.json", place / "tokenizer_config.json"
    tokenizer = read_json(file) if file.is_file() else {}
    is_other = settings.is_file()  # a reward model or an encoder, which has its settings already
    known = read_json(settings if is_other else merged / "tokenizer_config.json")
    wanted = dict(known)
    if not is_other:
        wanted["add_bos_token"] = adds_bos  # without the key, llama.cpp decides by the kind of vocabulary
    if tokenizer and is_sentencepiece(tokenizer):
        if not (merged / "tokenizer.model").is_file():
            write_sentencepiece(merged, place / "tokenizer.model")
        added = {
            str(token["id"]): token for token in tokenizer["added_tokens"]
        }  # else it knows those of the model only
        wanted = {"added_tokens_decoder": added, **wanted, "add_prefix_space": get_space_prefix(tokenizer)}
    elif tokenizer and str(known.get("tokenizer_class")).startswith("LlamaTokenizer"):
        # transformers 5 gives that class a pre-tokenizer of its own, which the converter does not recognize (DeepSeek)
        wanted["tokenizer_class"] = "PreTrainedTokenizerFast"
    if wanted == known:
        return False
    write_json(settings, wanted)
    return True


def _write_causal_lm(merged: Path, place: Path) -> bool:
    """Write a reward model or an encoder to ``place`` as a causal language model: the same weights, under the names of
    the base model. False for a language model.
    """
    config = read_json(merged / "config.json")
    ending = get_body(config)
    if ending is None:
        return False
    from safetensors.torch import save_file

    bare = ending == "Model"  # an encoder is saved without the prefix of the base model
    tensors = read_tensors(merged, lambda key: key not in HEADS)
    save_file(
        {f"model.{key}" if bare else key: value.contiguous() for key, value in tensors.items()},
        place / "model.safetensors",
        metadata={"format": "pt"},
    )
    # tied to the embeddings, because there is no last layer: next tokens of this file are never used
    family = (
        config["architectures"][0].removesuffix(ending).removesuffix("Text")
    )  # Gemma3TextModel is a part of Gemma3ForCausalLM
    write_json(
        place / "config.json", {**config, "architectures": [f"{family}ForCausalLM"], "tie_word_embeddings": True}
    )
    settings = read_json(merged / "tokenizer_config.json")
    write_json(place / "tokenizer_config.json", {**settings, **_get_added(merged, plain=bare)})
    return True


def _get_added(folder: Path, plain: bool) -> dict[str, bool]:
    """Whether llama.cpp adds BOS and EOS to a text; without these settings it decides by the kind of vocabulary.

    Args:
        folder: of the tokenizer.
        plain: texts are read without a template, so the tokenizer adds tokens; a rendered conversation has all of them.
    """
    tokenizer = load_tokenizer(folder)
    ids = tokenizer("a")["input_ids"] if plain else []
    return {
        "add_bos_token": tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id],
        "add_eos_token": tokenizer.eos_token_id is not None and ids[-1:] == [tokenizer.eos_token_id],
    }


def read_tensors(folder: Path, is_wanted: Callable[[str], bool]) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name."""
    from safetensors import safe_open

    found: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as handle:
            found |= {key: handle.get_tensor(key) for key in handle.keys() if is_wanted(key)}  # noqa: SIM118 - no dict
    return found

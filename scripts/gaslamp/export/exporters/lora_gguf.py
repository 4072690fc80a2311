"""The adapter alone as GGUF: llama.cpp adds it to, or subtracts it from, a model at run time, by a scale."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gaslamp.config.lora import EMBEDDINGS
from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import LoraFile, ModelFacts, Provenance
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.export.llamacpp import convert
from gaslamp.export.llamacpp.gguf_facts import check_gguf

TITLE = "the adapter alone, for llama.cpp"
NEEDS_ANSWERS = True  # not for models that return scores or vectors
NEEDS_GGUF = True
REQUIRES = ("gguf", "torch")
NAME = "adapter.gguf"


def export(model: Path, adapters: Path, toolchain: Path, out: Path, log: Path) -> LoraFile:
    """Write ``out``/adapter.gguf and ``out``/lora.json, which has the reason when llama.cpp cannot apply the adapter.

    Args:
        model: model.json of the base.
        adapters: PEFT folder.
        toolchain: toolchain.json.
        out: folder to write; it is complete or absent.
        log: receives the converter's output.
    """
    provenance = Provenance.start([model, adapters])
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    base = Path(ModelFacts.read(model).path)
    obstacle = find_obstacle(adapters)
    if obstacle is None and "vision_config" in read_json(base / "config.json"):
        obstacle = (
            "the adapter of a vision model belongs to two files, and llama.cpp applies one to the language model only"
        )
    size = 0
    if obstacle is None:
        convert.convert_lora_to_gguf(read_json(toolchain), adapters, base, unfinished / NAME, log)
        verify(unfinished / NAME)
        size = (unfinished / NAME).stat().st_size
    facts = LoraFile(
        file=None if obstacle else NAME,
        scale=1.0 if obstacle else get_scale(adapters),
        size_bytes=size,
        reason=obstacle or "",
        provenance=provenance,
    )
    facts.write(unfinished / "lora.json")
    if out.exists():
        shutil.rmtree(out)
    os.replace(unfinished, out)
    say(f"adapter as GGUF: {get_size(size)}" if not obstacle else f"no adapter GGUF: {obstacle}")
    return facts


def find_obstacle(adapters: Path) -> str | None:
    """Why llama.cpp cannot apply this adapter to its base exactly; ``None`` when it can."""
    if not (adapters / "adapter_config.json").is_file():
        return "there is no adapter: every weight was trained"
    config = read_json(adapters / "adapter_config.json")
    obstacles = {
        f"it is a {config.get('peft_type')} adapter, not LoRA": config.get("peft_type") != "LORA",
        "DoRA also rescales the weights": config.get("use_dora"),
        "whole layers were trained too": config.get("modules_to_save"),
        "biases were trained too": config.get("bias", "none") != "none",
        "the embedding or the output was adapted too": _has_embeddings(adapters),
        "its alpha or rank differs from layer to layer": config.get("alpha_pattern") or config.get("rank_pattern"),
    }
    return next((reason for reason, found in obstacles.items() if found), None)


def _has_embeddings(adapters: Path) -> bool:
    """Whether an adapter changes a module with a row for each token: llama.cpp's converter takes linear layers only."""
    targets = read_json(adapters / "adapter_config.json").get("target_modules")
    return isinstance(targets, list) and any(name.rpartition(".")[2] in EMBEDDINGS for name in targets)


def get_scale(adapters: Path) -> float:
    """The scale of the trained change in llama.cpp: it computes alpha / r, rank-stabilized LoRA alpha / sqrt(r)."""
    config = read_json(adapters / "adapter_config.json")
    return float(config["r"] ** 0.5) if config.get("use_rslora") else 1.0


def verify(file: Path) -> None:
    """Read the file back; raises GaslampError when it holds no LoRA pairs."""
    import gguf

    check_gguf(file)
    reader = gguf.GGUFReader(file)
    kind = reader.get_field("adapter.type")
    names = [tensor.name for tensor in reader.tensors]
    pairs = sum(name.endswith(".lora_a") for name in names)
    if (
        kind is None
        or kind.contents() != "lora"
        or not pairs
        or pairs != sum(name.endswith(".lora_b") for name in names)
    ):
        raise GaslampError(
            f"{file} is not an adapter GGUF file", f"delete {file} and run snakemake again: it is made again"
        )

"""The adapter alone: PEFT weights, the tokenizer with the recorded template, and the name of the base model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json, write_text
from gaslamp.export.artefacts import RunFiles, link_or_copy

TITLE = "the adapter alone"
REQUIRES: tuple[str, ...] = ()
KEPT = ("adapter_config.json", "adapter_model.safetensors")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")


def export(run: RunFiles, settings: Slice, out: Path) -> None:
    """Write the adapter to ``out``; its config names the base model as the config does, not a folder of this machine.

    Raises:
        GaslampError: the whole model was trained, or the adapter is damaged.
    """
    model = ModelFacts.read(run.model)
    config = run.adapters / "adapter_config.json"
    if not config.is_file():
        raise GaslampError(
            "there is no adapter: the whole model was trained (train.adapter: none)",
            "take adapter out of export.formats; merged is the whole model",
        )
    write_json(
        out / config.name, {**read_json(config), "base_model_name_or_path": model.source, "revision": model.revision}
    )
    link_or_copy(run.adapters / "adapter_model.safetensors", out / "adapter_model.safetensors")
    for name in TOKENIZER:
        if (run.merged / name).is_file():
            shutil.copyfile(run.merged / name, out / name)
    template = Template.read(run.template)
    if not any(
        "chat_template" in (out / name).read_text(encoding="utf-8")
        for name in ("tokenizer_config.json",)
        if (out / name).is_file()
    ):
        write_text(out / "chat_template.jinja", template.chat_template)
    verify(out)
    say(f"adapter for {model.source}: {get_size((out / 'adapter_model.safetensors').stat().st_size)}")


def verify(folder: Path) -> None:
    """Every LoRA matrix has the rank of the config. Raises GaslampError otherwise."""
    rank = read_json(folder / "adapter_config.json")["r"]
    with (folder / "adapter_model.safetensors").open("rb") as handle:
        header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
    shapes = {name: item["shape"] for name, item in header.items() if name != "__metadata__"}
    wrong = [
        name
        for name, shape in shapes.items()
        if "lora_A" in name and shape[0] != rank or "lora_B" in name and shape[-1] != rank
    ]
    if wrong or not any("lora_A" in name for name in shapes):
        raise GaslampError(
            f"the adapter is not of rank {rank}: {wrong[0] if wrong else 'it has no LoRA matrix'}",
            "delete the adapters and run again",
        )

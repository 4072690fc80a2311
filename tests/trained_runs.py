"""Results of a training without the training: random adapters, with the files that a run of a project leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import facts
from gaslamp.core.contracts import ModelFacts, Provenance
from gaslamp.core.files import read_json, sha256_path, write_json
from gaslamp.models.checkpoint import get_weights_hash
from gaslamp.models.loading import load_model
from gaslamp.models.template import build_template

EXAMPLE = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def write_adapter(base: str, folder: Path, seed: int = 3, source: str = "") -> Path:
    """A PEFT adapter of random weights for a checkpoint."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    net = get_peft_model(load_model(base, "float32"), LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    for name, parameter in net.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    net.save_pretrained(folder)
    set_adapter(folder, base_model_name_or_path=source or base)
    return folder


def set_adapter(place: Path, **values: Any) -> None:
    write_json(place / "adapter_config.json", read_json(place / "adapter_config.json") | values)


def write_run(project: Path, base: ModelFacts, seed: int = 3, thinking: str = "") -> Path:
    """outputs/main of a project that was trained on ``base``: what later runs read of it."""
    run, model, data = project / "outputs/main", project / "resources/models/tiny/model.json", project / "data"
    write_adapter(base.path, run / "adapters", seed, base.source)
    base.write(model)
    template = build_template(base.path, EXAMPLE)
    template.chat_template = thinking + template.chat_template
    template.write(data / "template.json")
    inputs = {str(file.relative_to(project)): sha256_path(file) for file in (model, data / "template.json")}
    record = facts.train(adapter_sha256=get_weights_hash(run / "adapters"), starts=base.starts)
    record.provenance = Provenance(inputs=inputs)
    record.write(run / "train.json")
    compare = facts.compare()
    compare.write(run / "eval/compare.json")
    return run

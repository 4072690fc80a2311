"""The adapter's config before a training, and the trained weights after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.sections.train import CHANGES_BASE
from gaslamp.models.checkpoint import VISION_PARTS, is_vision
from gaslamp.train.lora import read_linear_names

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from torch.nn import Module
    from transformers import PreTrainedModel

    from gaslamp.train.types import Trainer, TrainSettings


def get_peft_config(train: TrainSettings, folder: str | Path) -> LoraConfig | None:
    """LoraConfig of the settings for the model in ``folder``, or ``None`` for full fine-tuning."""
    from peft import LoraConfig

    if train.adapter == "none":
        return None
    lora = train.lora
    targets = lora.target_modules
    if targets == "all-linear" and lora.layers_to_transform:  # PEFT takes layers with a list of names only
        targets = read_linear_names(Path(folder))
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        # rows of text teach nothing to the modules that read images; a method with images names its modules itself
        exclude_modules=f".*({'|'.join(VISION_PARTS)}).*" if is_vision(folder) else None,
        use_rslora=lora.use_rslora,
        use_dora=lora.use_dora,
        init_lora_weights=True if lora.init_lora_weights == "default" else lora.init_lora_weights,
        modules_to_save=lora.modules_to_save or None,
        layers_to_transform=lora.layers_to_transform,
        rank_pattern=lora.rank_pattern,
        alpha_pattern=lora.alpha_pattern,
        bias="none",
        task_type="CAUSAL_LM",
    )


def add_adapter(model: PreTrainedModel, config: LoraConfig, checkpointing: bool) -> PeftModel:
    """The model with a new adapter on it, as a trainer that takes ``peft_config`` would make it.

    Args:
        model: the base model; its weights are frozen.
        config: of the adapter.
        checkpointing: whether activations are computed again, which needs inputs that carry a gradient.
    """
    from peft import get_peft_model

    if checkpointing:
        model.enable_input_require_grads()
    return get_peft_model(model, config)


def has_adapter(model: Module) -> bool:
    """Whether weights of a LoRA adapter will be trained."""
    return any("lora_" in name for name, weight in model.named_parameters() if weight.requires_grad)


def save_weights(trainer: Trainer, folder: Path) -> None:
    """Write the adapter in PEFT layout, or the whole model in Hugging Face layout.

    A method may bring its own ``save``.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not hasattr(model, "peft_config"):
        model.save_pretrained(folder)
        return
    # a trainer may keep the untrained adapter as well, as its reference; the base's own embeddings are not saved
    own = {"selected_adapters": ["default"], "save_embedding_layers": False}
    start = Path(trainer.args.output_dir) / START
    if start.is_dir():
        own["path_initial_model_for_weight_conversion"] = str(start)
    model.save_pretrained(folder, **own)


START = "start"
"""Folder below the checkpoints: the first values of an adapter that were taken out of the base weights."""


def keep_start(trainer: Trainer, start: str) -> None:
    """Keep the first values of an adapter that was taken out of the base weights (PiSSA, OLoRA).

    With them the finished adapter is saved as one on the unchanged base. A training that resumes has decomposed the
    weights again; where that gave other values than the first time, the difference is put back into the base weights,
    so that base and adapter are together what they were.

    Args:
        trainer: with its model, before the first step; only the process that writes needs to call it.
        start: ``train.lora.init_lora_weights``.
    """
    import torch
    from safetensors.torch import load_file

    folder = Path(trainer.args.output_dir) / START
    if start not in CHANGES_BASE:
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not (folder / "adapter_model.safetensors").is_file():
        model.peft_config["default"].init_lora_weights = True  # loading it must not decompose anything again
        model.save_pretrained(folder, selected_adapters=["default"])
        model.peft_config["default"].init_lora_weights = start
        return
    first = load_file(folder / "adapter_model.safetensors")
    for name, module in model.named_modules():
        if not hasattr(module, "lora_A") or "default" not in module.lora_A:
            continue
        then = first[f"{name}.lora_B.weight"] @ first[f"{name}.lora_A.weight"]
        now = module.lora_B["default"].weight @ module.lora_A["default"].weight
        with torch.no_grad():
            module.get_base_layer().weight += module.scaling["default"] * (now - then.to(now.device))

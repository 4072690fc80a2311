"""The adapter's config before a training, and the trained weights after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from torch.nn import Module
    from transformers import PreTrainedModel

    from gaslamp.train.types import Trainer, TrainSettings


def get_peft_config(train: TrainSettings) -> LoraConfig | None:
    """LoraConfig of the settings, or ``None`` for full fine-tuning."""
    from peft import LoraConfig

    if train.adapter == "none":
        return None
    lora = train.lora
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
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
    # a trainer may keep the untrained adapter as well, as its reference
    model.save_pretrained(folder, **({"selected_adapters": ["default"]} if hasattr(model, "peft_config") else {}))

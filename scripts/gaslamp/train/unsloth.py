"""Unsloth behind the cuda backend: what must be set before its import, and the model that it loads."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from gaslamp.config.methods import get_artefact, is_multimodal
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir
from gaslamp.core.processes import get_count, get_local_rank
from gaslamp.train.trl.load import get_peft_config

if TYPE_CHECKING:
    from gaslamp.train.plan import Plan
    from gaslamp.train.types import TrainSettings

ENVIRONMENT = {"UNSLOTH_DISABLE_STATISTICS": "1", "UNSLOTH_AUTO_INSTALL": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""What makes a run the same everywhere: no statistics call, no automatic installing, no files in the project."""
LINEAR_LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def find_dropout_warnings(train: TrainSettings) -> list[tuple[str, str]]:
    """A dropout that Unsloth's kernels do not take, with what to do."""
    if train.engine == "unsloth" and train.adapter == "lora" and train.lora.dropout > 0:
        return [
            (
                f"train.lora.dropout is {train.lora.dropout:g}: Unsloth's fast kernels work with 0 only",
                "set train.lora.dropout: 0.0",
            )
        ]
    return []


def import_unsloth() -> None:
    """Import Unsloth before the libraries that it patches on import."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", str(get_cache_dir() / "unsloth_compiled_cache"))
    if "unsloth" not in sys.modules:
        late = [name for name in ("transformers", "trl", "peft") if name in sys.modules]
        assert not late, f"{', '.join(late)} was imported before unsloth, which then patches too late"
        import unsloth  # noqa: F401


def load_with_unsloth(plan: Plan, dtype: str) -> tuple[object, object]:
    """Unsloth's model with its adapter on it; then no peft_config is left for the trainer to apply.

    A vision model and a classifier come without an adapter: their methods choose the layers and keep the head.

    Args:
        plan: of the training.
        dtype: of the base weights.

    Raises:
        GaslampError: vLLM was wanted, and Unsloth loaded the model without it.
    """
    import torch
    from unsloth import FastLanguageModel, FastModel, FastVisionModel

    train, method = plan.settings.train, plan.settings.method
    is_text = get_artefact(method) == "causal_lm" and not is_multimodal(method)
    fast = FastLanguageModel if is_text else FastVisionModel if is_multimodal(method) else FastModel
    own: dict[str, Any] = {"num_labels": 1} if get_artefact(method) == "classifier" else {}
    if with_vllm := train.options.get("fast_inference"):
        # half of the memory for sampling, half for training
        own |= {"fast_inference": True, "max_lora_rank": train.lora.r, "gpu_memory_utilization": 0.5}
    if get_count() > 1 and torch.cuda.is_available():
        own["device_map"] = {"": get_local_rank()}
    checkpointing: Any = "unsloth" if train.gradient_checkpointing else False
    model, _ = fast.from_pretrained(
        plan.model.path,
        max_seq_length=train.max_length,
        dtype=getattr(torch, dtype),
        load_in_4bit=train.quantization == "4bit",
        load_in_8bit=train.quantization == "8bit",
        full_finetuning=train.adapter == "none",
        use_gradient_checkpointing=checkpointing,
        trust_remote_code=False,
        random_state=train.seed,
        **own,
    )
    if with_vllm and not hasattr(model, "vllm_engine"):  # Unsloth only prints that it goes on without
        raise GaslampError(
            "Unsloth could not sample completions with vLLM for this model or GPU",
            "set train.options.fast_inference: false",
        )
    if train.adapter == "none":
        return model, None
    if not is_text:
        return model, get_peft_config(train, plan.model.path)
    lora = train.lora
    model = FastLanguageModel.get_peft_model(
        model,
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias="none",
        target_modules=LINEAR_LAYERS if lora.target_modules == "all-linear" else lora.target_modules,
        use_gradient_checkpointing=checkpointing,
        random_state=train.seed,
    )
    return model, None

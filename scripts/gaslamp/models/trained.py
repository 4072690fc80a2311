"""The model that is evaluated, whatever training wrote: an adapter, a whole model, a reward model, an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaslamp.core.contracts import ModelFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.models.loading import attach_adapter, load_model

ADAPTER = "adapter_config.json"
"""What makes a folder a PEFT adapter."""


def load_evaluated(facts: ModelFacts, adapters: Path | None, artefact: str = "causal_lm", merge: bool = True) -> Any:
    """A model in evaluation mode, in float32 on the CPU.

    Args:
        facts: of the base model.
        adapters: what training left (PEFT adapter, or a whole model); ``None``: the base.
        artefact: of the method: causal_lm, classifier (one number a text) or encoder.
        merge: fold the adapter into the weights, in memory.

    Raises:
        GaslampError: an adapter that does not fit the model, or is not there.
    """
    if adapters is not None and not (adapters / ADAPTER).is_file() and not (adapters / "config.json").is_file():
        raise GaslampError(
            f"{adapters} holds neither an adapter nor a model",
            "delete the folder and run the same command: it is trained again",
        )
    if adapters is not None and not _is_whole(adapters):
        _require_trained(adapters)
    return load_folder(Path(facts.path), adapters, artefact, merge)


def load_folder(folder: Path, adapters: Path | None = None, artefact: str = "causal_lm", merge: bool = True) -> Any:
    """The same from a model folder, such as the merged one."""
    if artefact != "classifier":
        return load_model(folder, "float32", adapters, merge)
    import torch
    from transformers import AutoModelForSequenceClassification

    whole = _is_whole(adapters)
    torch.manual_seed(
        0
        # the base model has a new head: its scores are random, the same each time, and training starts from them
    )
    model = AutoModelForSequenceClassification.from_pretrained(
        str(adapters if whole else folder),
        num_labels=1,
        dtype=torch.float32,
        trust_remote_code=False,
        use_safetensors=True,
    )
    if adapters is not None and not whole:
        model = attach_adapter(model, adapters)
        model = model.merge_and_unload() if merge else model
    return model.eval()


def _require_trained(adapters: Path) -> None:
    """Refuse an adapter that changes nothing: its second matrices start at zero,
    and stay there when nothing was learnt.
    """
    from safetensors import safe_open

    file = adapters / "adapter_model.safetensors"
    with safe_open(file, framework="numpy") as tensors:
        names = [name for name in tensors.keys() if "lora_B" in name]  # noqa: SIM118 - no dict
        if names and not any(tensors.get_tensor(name).any() for name in names):
            raise GaslampError(
                f"the adapter {file} changes nothing: all its weights are as before the training",
                "look into logs/<run>/train_model.log: was any step made?",
                "the file is of another training: delete the folder and run the same command",
            )


def _is_whole(adapters: Path | None) -> bool:
    return adapters is not None and not (adapters / ADAPTER).is_file()


def get_saved_artefact(adapters: Path) -> str:
    """The kind of model that training left: ``classifier``, or ``causal_lm`` (also for an encoder's adapter)."""
    if (adapters / ADAPTER).is_file():
        return "classifier" if read_json(adapters / ADAPTER).get("task_type") == "SEQ_CLS" else "causal_lm"
    names = (
        read_json(adapters / "config.json").get("architectures") or [""]
        if (adapters / "config.json").is_file()
        else [""]
    )
    return "classifier" if names[0].endswith("ForSequenceClassification") else "causal_lm"

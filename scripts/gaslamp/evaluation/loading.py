"""The model that is judged, whatever training left: an adapter, a whole model, a reward model, an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaslamp.contracts import ModelFacts
from gaslamp.errors import GaslampError
from gaslamp.files import read_json
from gaslamp.models import load_model, put_on


def load_evaluated(facts: ModelFacts, adapters: Path | None, artefact: str = "causal_lm") -> Any:
    """A model in evaluation mode, in float32 on the CPU.

    Args:
        facts: of the base model.
        adapters: what training left (PEFT adapter, or a whole model); ``None``: the base.
        artefact: of the method: causal_lm, classifier (one number a text) or encoder.

    Raises:
        GaslampError: an adapter that does not fit the model, or is not there.
    """
    if adapters is not None and not (adapters / "adapter_config.json").is_file() and not (adapters / "config.json").is_file():
        raise GaslampError(f"{adapters} holds neither an adapter nor a model", "delete the folder and run the same command: it is trained again")
    if adapters is not None and not _is_whole(adapters):
        _require_trained(adapters)
    if artefact == "classifier":
        return _load_classifier(facts, adapters)
    if is_vision(Path(facts.path)):
        return _load_vision(facts, adapters)
    return load_model(facts.path, "float32", adapters, merge=True)


def _require_trained(adapters: Path) -> None:
    """Refuse an adapter that changes nothing: its second matrices start at zero, and stay there when nothing was learnt."""
    from safetensors import safe_open

    file = adapters / "adapter_model.safetensors"
    with safe_open(file, framework="numpy") as tensors:
        names = [name for name in tensors.keys() if "lora_B" in name]  # noqa: SIM118 - no dict
        if names and not any(tensors.get_tensor(name).any() for name in names):
            raise GaslampError(
                f"the adapter {file} changes nothing: all its weights are as before the training", "look into logs/<run>/train.log: was any step made?",
                "the file is of another training: delete the folder and run the same command",
            )  # fmt: skip


def is_vision(folder: Path) -> bool:
    """Whether a checkpoint reads images."""
    return "vision_config" in read_json(folder / "config.json")


def _is_whole(adapters: Path | None) -> bool:
    return adapters is not None and not (adapters / "adapter_config.json").is_file()


def _load_classifier(facts: ModelFacts, adapters: Path | None) -> Any:
    """One number a text. The base has a fresh head, seeded: what it says is chance, and that is what training starts from."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    source = str(adapters) if _is_whole(adapters) else facts.path
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=1, dtype=torch.float32, trust_remote_code=False, use_safetensors=True)
    if adapters is not None and not _is_whole(adapters):
        model = put_on(model, adapters).merge_and_unload()
    return model.eval()


def _load_vision(facts: ModelFacts, adapters: Path | None) -> Any:
    import torch
    from transformers import AutoModelForImageTextToText

    source = str(adapters) if _is_whole(adapters) else facts.path
    model = AutoModelForImageTextToText.from_pretrained(source, dtype=torch.float32, trust_remote_code=False, use_safetensors=True)
    if adapters is not None and not _is_whole(adapters):
        model = put_on(model, adapters).merge_and_unload()
    return model.eval()

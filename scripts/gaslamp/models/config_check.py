"""What is checked of the base model before anything is downloaded: that it exists, and that it fits the method."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from gaslamp.config.base_models import EMBEDDED, VISION_TOWER_FIX, find_vision_tower_problem, is_local
from gaslamp.config.methods import get_artefact, is_multimodal
from gaslamp.config.outcome import is_converted
from gaslamp.config.problems import Problem
from gaslamp.config.schema import Config
from gaslamp.core.nearest import get_hint
from gaslamp.models.checkpoint import is_encoder_model, list_weights
from gaslamp.models.start import find_start_problems


def find_problems(config: Config, root: Path) -> list[Problem]:
    """Problems of the section ``model``; ``root`` is the folder that relative paths start from."""
    source = config.model.source
    if source.startswith("embedded:"):
        messages = _find_embedded_problems(source, config.method)
    elif is_local(source):
        message = _find_folder_problem(config, root / Path(source).expanduser())
        messages = [message] if message else []
    elif source.count("/") != 1:
        messages = [f"'{source}' is neither embedded:NAME, a folder that exists, nor a hub id like org/name"]
    elif (root / source).parent.is_dir():
        # the user meant a folder: a request to the hub would fail with a message about the hub
        folder = source.split("/")[0]
        messages = [f"{source}: no such folder (looked in {root.resolve()}, which has '{folder}')"]
    else:
        messages = []
    adapter = config.model.adapter
    made = [f"outputs/{stage.name}" for stage in config.stages]  # by this very run
    start = find_start_problems(adapter, source, root) if adapter and adapter not in made else []
    return [
        *(Problem(("model", "source"), message) for message in messages),
        *(Problem(("model", "adapter"), message) for message in start),
    ]


def _find_embedded_problems(source: str, method: str) -> list[str]:
    problems = []
    if is_multimodal(method):
        problems.append(
            f"{source} is not a vision model, and {method} needs one: a folder or hub id, for instance of a SmolVLM, "
            "Gemma 3 or Qwen-VL"
        )
    name = source.removeprefix("embedded:")
    if name in EMBEDDED and EMBEDDED[name]["is_encoder"] and get_artefact(method) != "encoder":
        problems.append(f"{source} makes vectors of texts and writes no answers: it is for method: embedding")
    if name not in EMBEDDED:
        problems.append(f"there is no embedded model '{name}'; {get_hint(name, EMBEDDED)}")
    return problems


def _find_folder_problem(config: Config, folder: Path) -> str | None:
    source, file = config.model.source, folder / "config.json"
    if other := _find_other_kind(source, folder):
        return other
    if not file.is_file():
        return f"{source} is not a model folder: {file} is missing"
    try:
        is_object = isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
    except ValueError:
        is_object = False
    if not is_object:
        return f"{file} is damaged: it holds no JSON object; copy or download the folder again"
    if is_encoder_model(folder) and get_artefact(config.method) != "encoder":
        return f"{source} is an encoder: it makes vectors of texts and writes no answers; it is for method: embedding"
    if not is_multimodal(config.method):
        return None
    text = file.read_text(encoding="utf-8")
    if '"vision_config"' not in text:
        return f"{source} is not a vision model (its config.json has no vision_config), and {config.method} needs one"
    if is_converted(config) and (reason := find_vision_tower_problem(json.loads(text))):
        return f"{source}: {reason}; {VISION_TOWER_FIX}"
    return None


def _find_other_kind(source: str, folder: Path) -> str | None:
    """What a path is that holds no checkpoint, and what to set instead; None: nothing that is known."""
    if folder.suffix == ".gguf" or (folder.is_dir() and any(folder.glob("*.gguf")) and not list_weights(folder)):
        return f"{source} is GGUF, which is made for running and cannot be trained: name the checkpoint it was made of"
    adapter = folder / "adapter_config.json"
    if not adapter.is_file() or any(file.name != "adapter_model.safetensors" for file in list_weights(folder)):
        return None
    base = "its base model"
    with contextlib.suppress(ValueError, AttributeError):
        base = json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path") or base
    return f"{source} is an adapter, not a model: set model.source to {base}, and model.adapter to this folder"

"""What is known of a project that the conditions of recipes ask for, from its config and from this machine.

Of other packages it needs PyYAML alone: cookiecutter's interpreter calls this before anything is installed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from gaslamp.config.base_models import EMBEDDED, guess_parameters
from gaslamp.core.files import JsonObject
from gaslamp.environment.hardware import get_gpus, get_memory
from gaslamp.memory.conditions import Fact
from gaslamp.models.cache import find_cached_model

MARKS = {
    "chatml": "<|im_start|>",
    "llama3": "<|start_header_id|>",
    "gemma": "<start_of_turn>",
    "granite": "<|start_of_role|>",
    "harmony": "<|channel|>",
    "command-r": "<|START_OF_TURN_TOKEN|>",
    "deepseek": "<\uff5cUser\uff5c>",
    "mistral": "[INST]",
    "phi3": "<|end|>",
    "zephyr": "<|user|>",
    "vicuna": "USER:",
    "alpaca": "### Instruction",
}
"""Family of chat templates -> text that only its members have; the first that is found decides."""


def get_situation(config: JsonObject, project: Path, backend: str | None = None) -> dict[str, Fact]:
    """The facts of a project, by the names of ``conditions``; unknown ones are ``None``.

    Args:
        config: config.yaml as it was read.
        project: its folder, for relative paths and for what earlier steps found out.
        backend: of the profile; ``None``: that of config.yaml.
    """
    backend = backend or str(config.get("backend") or "cpu")
    model, project_section = config.get("model") or {}, config.get("project") or {}
    source, revision = str(model.get("source") or ""), model.get("revision")
    return {
        "task": config.get("method"),
        "hardware": backend,
        "model": get_model_word(source),
        "model_size": get_model_size(source, revision, project),
        "template": get_template_words(source, revision, project),
        "rows": get_row_count(str((config.get("data") or {}).get("source") or ""), project),
        "memory_gb": get_memory_gb(backend),
        "domain": project_section.get("domain"),
        "language": (config.get("demo") or {}).get("language"),
    }


def get_model_word(source: str) -> str:
    """The name of a base model without the place where it lies: ``SmolLM2-360M``."""
    return source.removeprefix("embedded:").rstrip("/").rpartition("/")[2].lower()


def get_memory_gb(backend: str) -> float | None:
    """Memory of the largest GPU for the backend cuda, else main memory."""
    if backend == "cuda":
        return max((gpu["vram_gb"] for gpu in get_gpus() if gpu["vram_gb"]), default=None)
    return get_memory()["total"] or None


def get_model_size(source: str, revision: str | None, project: Path) -> float | None:
    """Parameters of a base model, without a download; from the size of its files where it lies on this machine."""
    if source.startswith("embedded:"):
        known = EMBEDDED.get(source.removeprefix("embedded:"))
        return known["parameters"] if known else None
    folder = _find_folder(source, revision, project)
    if folder and (size := sum(file.stat().st_size for file in folder.glob("*.safetensors"))):
        config = _read_json(folder / "config.json")
        return size / (4 if "float32" in str(config.get("dtype") or config.get("torch_dtype") or "") else 2)
    return guess_parameters(source)


def get_template_words(source: str, revision: str | None, project: Path) -> tuple[str, ...]:
    """Family of the model's chat template, and ``sha-`` with the first eight digits of its hash; empty when unknown."""
    if source.startswith("embedded:"):
        known = EMBEDDED.get(source.removeprefix("embedded:"))
        return (known["template"],) if known else ()
    folder = _find_folder(source, revision, project)
    template = read_chat_template(folder) if folder else ""
    if not template:
        return ()
    family = next((name for name, mark in MARKS.items() if mark in template), None)
    return (*((family,) if family else ()), get_template_id(template))


def get_template_id(template: str) -> str:
    """A name for exactly this chat template."""
    return f"sha-{hashlib.sha256(template.encode()).hexdigest()[:8]}"


def read_chat_template(folder: Path) -> str:
    """The chat template of a checkpoint folder as it was published; empty when it has none."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8", errors="replace")
    found = _read_json(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(found, list):  # several, by name
        found = next((each.get("template") for each in found if each.get("name") == "default"), None)
    return found if isinstance(found, str) else ""


def get_row_count(source: str, project: Path) -> float | None:
    """Rows of the data: what the data phase read, else the lines of a file that has one row a line."""
    rows = _read_json(project / "data" / "card.json").get("rows") or {}
    if "read" in rows:
        return float(rows["read"])
    file = project / source
    if file.suffix.lower() not in (".csv", ".tsv", ".jsonl", ".ndjson") or not file.is_file():
        return None
    with file.open("rb") as handle:
        lines = sum(block.count(b"\n") for block in iter(lambda: handle.read(1 << 20), b""))
    return float(max(0, lines - (file.suffix.lower() in (".csv", ".tsv"))))


def _find_folder(source: str, revision: str | None, project: Path) -> Path | None:
    folder = project / Path(source).expanduser()
    return folder if (folder / "config.json").is_file() else find_cached_model(source, revision)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}

"""The base model before it is downloaded: its size, and whether it is on this machine already."""

from __future__ import annotations

import re
from pathlib import Path

from gaslamp.config.base_models import EMBEDDED
from gaslamp.config.sections.models import is_local
from gaslamp.core.files import get_cache_dir
from gaslamp.environment.memory_estimate import Shape, read_shape
from gaslamp.models.cache import get_hf_cache

EMBEDDED_SHAPES = {"smollm2-135m-instruct": Shape(134_515_008, 576, 30, 49_152, inner=1536, kv_width=192, tied=True)}


def get_shape(source: str, revision: str | None = None) -> Shape | None:
    """The shape of a base model, without a download.

    Args:
        source: ``model.source``: embedded:<name>, a folder, or a hub id.
        revision: ``model.revision``.

    Returns:
        Its shape; guessed from the hub id ("...-7B...") when the model is not cached; ``None`` when the id names no
        size.
    """
    if source.startswith("embedded:"):
        return EMBEDDED_SHAPES.get(source.removeprefix("embedded:"))
    if folder := find_model_folder(source, revision):
        return read_shape(folder)
    match = re.search(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([BM])(?![A-Za-z0-9])", source.split("/")[-1], re.IGNORECASE)
    if not match:
        return None
    parameters = int(float(match.group(1)) * (1e9 if match.group(2).upper() == "B" else 1e6))
    # a transformer has about 12 x layers x hidden^2 parameters, and about one layer for each 64 of width
    hidden = round((parameters * 64 / 12) ** (1 / 3))
    return Shape(parameters, hidden, max(1, hidden // 64), 150_000, guessed=True)


def find_model_folder(source: str, revision: str | None = None) -> Path | None:
    """The checkpoint folder of a base model on this machine; ``None`` for an embedded one, or before its download."""
    if source.startswith("embedded:"):
        return None
    return Path(source).expanduser() if is_local(source) else _find_cached(source, revision)


def is_model_here(source: str, revision: str | None) -> bool:
    """Whether nothing has to be downloaded for this base model."""
    if source.startswith("embedded:"):
        name = source.removeprefix("embedded:")
        return any((get_cache_dir() / "models").glob(f"{name}-{EMBEDDED[name]['sha256'][:8]}-*/config.json"))
    return is_local(source) or _find_cached(source, revision) is not None


def _find_cached(source: str, revision: str | None) -> Path | None:
    """The snapshot of a hub model in the Hugging Face cache, when its weights are complete."""
    repo = get_hf_cache() / f"models--{source.replace('/', '--')}"
    ref = repo / "refs" / (revision or "main")
    folder = repo / "snapshots" / (ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision or "main")
    return folder if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")) else None

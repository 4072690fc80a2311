"""The base model before it is downloaded: its size, and whether it is on this machine already."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.base_models import EMBEDDED, ModelSection, get_model_name, guess_parameters, is_local
from gaslamp.core.files import read_json
from gaslamp.models.cache import find_cached_model, is_embedded_here
from gaslamp.models.catalogue import find_model
from gaslamp.models.checkpoint import read_shape
from gaslamp.models.shape import Shape

EMBEDDED_SHAPES = {
    "smollm2-135m-instruct": Shape(
        EMBEDDED["smollm2-135m-instruct"]["parameters"], 576, 30, 49_152, inner=1536, kv_width=192, tied=True
    ),
    "all-minilm-l6-v2": Shape(
        EMBEDDED["all-minilm-l6-v2"]["parameters"], 384, 6, 30_522, inner=1536, kv_width=384, tied=True
    ),
}


def get_shape(source: str, revision: str | None = None) -> Shape | None:
    """The shape of a base model, without a download.

    Args:
        source: ``model.source``: embedded:<name>, a folder, or a hub id.
        revision: ``model.revision``.

    Returns:
        Its shape; that of the catalogue when the model is not cached, else guessed from the hub id ("...-7B...");
        ``None`` when the id names no size.
    """
    if source.startswith("embedded:"):
        return EMBEDDED_SHAPES.get(source.removeprefix("embedded:"))
    if folder := find_model_folder(source, revision):
        return read_shape(folder)
    if known := find_model(source):
        return known.shape
    parameters = guess_parameters(source)
    if not parameters:
        return None
    # a transformer has about 12 x layers x hidden^2 parameters, and about one layer for each 64 of width
    hidden = round((parameters * 64 / 12) ** (1 / 3))
    return Shape(parameters, hidden, max(1, hidden // 64), 150_000, guessed=True)


def find_model_folder(source: str, revision: str | None = None) -> Path | None:
    """The checkpoint folder of a base model on this machine; ``None`` for an embedded one, or before its download."""
    if source.startswith("embedded:"):
        return None
    return Path(source).expanduser() if is_local(source) else find_cached_model(source, revision)


def is_model_here(source: str, revision: str | None) -> bool:
    """Whether nothing has to be downloaded for this base model."""
    if source.startswith("embedded:"):
        return is_embedded_here(source.removeprefix("embedded:"))
    return is_local(source) or find_cached_model(source, revision) is not None


def is_start_here(model: ModelSection) -> bool:
    """Whether ``model.adapter`` was merged for this project before."""
    facts = Path("resources") / "models" / get_model_name(model) / "model.json"
    return facts.is_file() and Path(read_json(facts)["path"]).is_dir()

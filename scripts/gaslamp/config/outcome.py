"""What a run ends with, by its config: the rules plan it, and the preflight counts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gaslamp.config.methods import get_artefact
from gaslamp.core import registry


def get_formats(config: Any) -> list[str]:
    """The formats that are made: of ``export.formats`` those that this kind of model can have.

    Args:
        config: with method and export.
    """
    is_language_model = get_artefact(config.method) == "causal_lm"
    return [name for name in config.export.formats if is_language_model or not _has(name, "NEEDS_ANSWERS")]


def is_converted(config: Any) -> bool:
    """Whether the run makes GGUF files: a format is one, or is made of one.

    Without them the run ends with the merged model, which is compared with the adapter.
    """
    return any(
        _has(name, "NEEDS_GGUF") or (name == "hub" and _is_pushed(config.export)) for name in get_formats(config)
    )


def _is_pushed(export: Any) -> bool:
    files: Sequence[str] = export.hub.files
    return bool({"gguf", "lora_gguf"} & set(files))


def _has(exporter: str, name: str) -> bool:
    return bool(getattr(registry.get("exporters", exporter), name, False))

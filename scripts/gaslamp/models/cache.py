"""Where the Hugging Face libraries keep models on this machine. Standard library only: detection imports it."""

from __future__ import annotations

import os
from pathlib import Path

from gaslamp.config.base_models import EMBEDDED
from gaslamp.core.files import get_cache_dir


def get_hf_cache() -> Path:
    """The folder of the Hugging Face hub cache, by the environment variables that these libraries read."""
    if value := os.environ.get("HF_HUB_CACHE"):
        return Path(value).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(home).expanduser() / "hub"


def find_cached_model(source: str, revision: str | None) -> Path | None:
    """The snapshot of a hub model in the Hugging Face cache, when its weights are complete."""
    repo = get_hf_cache() / f"models--{source.replace('/', '--')}"
    ref = repo / "refs" / (revision or "main")
    folder = repo / "snapshots" / (ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision or "main")
    return folder if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")) else None


def is_embedded_here(name: str) -> bool:
    """Whether an embedded model was downloaded from the package index before."""
    return any((get_cache_dir() / "models").glob(f"{name}-{EMBEDDED[name]['sha256'][:8]}-*/config.json"))

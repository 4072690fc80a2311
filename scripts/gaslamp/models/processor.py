"""The processor of a model that sees: text and images to what the model takes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


def load_processor(folder: str | Path) -> Any:
    """The processor of a model folder; images are read with Pillow, also where transformers asks for torchvision and needs none.

    transformers 5.17 hides an image processor when the word TorchvisionBackend stands in its file, be it in a comment as in the
    one for Pillow of Idefics2, Idefics3 (SmolVLM) and SmolVLM 2.

    Raises:
        ValueError, ImportError: of transformers, for a processor that does need torchvision (one that reads videos too).
    """
    from transformers import AutoConfig, AutoProcessor

    kind = AutoConfig.from_pretrained(folder, trust_remote_code=False).model_type.replace("-", "_")
    package = f"transformers.models.{kind}"
    try:
        module = importlib.import_module(f"{package}.image_processing_pil_{kind}")
    except ImportError:
        pass  # it has none of its own
    else:
        for name in module.__all__:
            setattr(importlib.import_module(package), name, getattr(module, name))
    return AutoProcessor.from_pretrained(folder, trust_remote_code=False)

"""The processor of a vision model: it turns text and images into the model's inputs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import ProcessorMixin


def load_processor(folder: str | Path) -> ProcessorMixin:
    """The processor of a model folder, with Pillow as the image backend.

    transformers 5.17 hides an image processor when its source contains the word TorchvisionBackend, even in a
    comment. That hides the Pillow ones of Idefics2, Idefics3 (SmolVLM) and SmolVLM 2, which need no torchvision: they
    are put back here.

    Raises:
        ValueError, ImportError: by transformers, for a processor that needs torchvision (one that reads videos too).
    """
    from transformers import AutoConfig, AutoProcessor

    kind = AutoConfig.from_pretrained(folder, trust_remote_code=False).model_type.replace("-", "_")
    package = f"transformers.models.{kind}"
    try:
        module = importlib.import_module(f"{package}.image_processing_pil_{kind}")
    except ImportError:
        pass  # this kind of model has no Pillow processor of its own
    else:
        for name in module.__all__:
            setattr(importlib.import_module(package), name, getattr(module, name))
    return AutoProcessor.from_pretrained(folder, trust_remote_code=False)

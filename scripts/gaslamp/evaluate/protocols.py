"""What the evaluation needs of a model and of a tokenizer: the parts of transformers' classes that are really used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


class LanguageModel(Protocol):
    """A transformers model in evaluation mode: a causal language model, a classifier with one output, or an encoder."""

    config: Any  # PretrainedConfig: its attributes differ by architecture
    device: torch.device

    def __call__(self, **inputs: object) -> Any:
        """The forward pass; returns the model's output, with ``logits`` or ``last_hidden_state``."""

    def generate(self, **inputs: object) -> torch.Tensor:
        """Token ids of prompts and answers, (rows, width)."""


class Tokenizer(Protocol):
    """A transformers tokenizer."""

    def __call__(self, text: list[str], **options: object) -> Any:
        """A BatchEncoding with ``input_ids`` and ``attention_mask``."""


class Processor(Protocol):
    """A transformers processor: rendered prompts and images become tensors."""

    tokenizer: Any

    def __call__(self, **inputs: object) -> Any:
        """A BatchFeature with ``input_ids``, ``attention_mask`` and the images' tensors."""

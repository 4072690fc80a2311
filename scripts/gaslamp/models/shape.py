"""The numbers of a model that sizes and times are calculated from. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """What size estimates need of a model; ``guessed`` when only its name was to go by."""

    parameters: int
    hidden: int
    layers: int
    vocabulary: int
    guessed: bool = False
    inner: int = 0  # width of the feed-forward layers; 0: unknown
    kv_width: int = 0  # key-value heads x width of a head; 0: unknown
    tied: bool = False  # one matrix is both embedding and output
    active: int = 0  # parameters that a token uses, where these are fewer (mixtures of experts); 0: all
    tables: int = 0  # parameters in further embeddings: one for each layer, as in Gemma 4 E2B

    @property
    def computed(self) -> int:
        """Parameters that a token is multiplied with."""
        return self.active or self.parameters


def get_shape_of_config(config: Mapping[str, Any], parameters: int) -> Shape:
    """The shape that a config.json describes; of a vision model that of its language model.

    Args:
        config: its contents.
        parameters: of the model; config.json does not count them.
    """
    values = {**config, **(config.get("text_config") or {})}
    hidden, layers = int(values.get("hidden_size") or 1024), int(values.get("num_hidden_layers") or 24)
    heads = int(values.get("num_attention_heads") or 0)
    head = int(values.get("head_dim") or (hidden // heads if heads else 0))
    vocabulary = int(values.get("vocab_size") or 50_000)
    each_layer = int(values.get("hidden_size_per_layer_input") or 0)
    return Shape(
        parameters,
        hidden,
        layers,
        vocabulary,
        guessed="hidden_size" not in values,
        inner=int(values.get("intermediate_size") or 0),
        kv_width=int(values.get("num_key_value_heads") or heads) * head,
        tied=bool(values.get("tie_word_embeddings")),
        tables=int(values.get("vocab_size_per_layer_input") or vocabulary) * each_layer * layers,
    )

"""The rows that are generated together: finished rows leave the batch, waiting ones enter, the common start is computed
once.

What costs time when rows are generated together on few cores, and what is done about it:

- a batch that waits for its longest answer works for rows that ended long ago: a row leaves when it ends, the next one
  enters;
- every prompt begins with the same system turn: its keys and values are computed once and shared by all rows;
- padding is computed as well: rows enter in the order of their length, and columns that no row needs any more are cut
  off;
- keys and values would be copied for every token, once to append to them and once for each query head that shares them:
  they get room to grow in, and the query heads that share a key head are treated as positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import DynamicCache

    from gaslamp.evaluate.protocols import LanguageModel

MIN_PREFIX = 8
ROOM = 32  # tokens that keys and values can grow by before they are copied
ATTENTION = "gaslamp_grouped"


@dataclass
class Request:
    """One prompt that is being answered: its token ids, the limit of its answer, and the tokens so far."""

    index: int
    ids: list[int]
    limit: int
    answer: list[int] = field(default_factory=list)
    seconds: float = 0.0
    generator: torch.Generator | None = None  # of the row, when answers are sampled


def is_plain(model: LanguageModel) -> bool:
    """Whether every layer has full attention: then keys and values of rows can be cut and joined."""
    config = getattr(model, "config", None)
    if config is None or not hasattr(model, "forward"):
        return False
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    kinds = getattr(config, "layer_types", None) or []
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    position = getattr(config, "position_embedding_type", "rotary")
    known = ("llama", "qwen2", "qwen3", "mistral", "phi3", "smollm3", "olmo2", "granite", "gemma", "stablelm")
    return (
        getattr(config, "model_type", "") in known
        and not window
        and set(kinds) <= {"full_attention"}
        and position != "absolute"
    )


def get_prefix(prompts: list[list[int]]) -> int:
    """How many tokens all prompts share at the start; at most all but the last of the shortest,
    which each row computes itself.
    """
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)
    common = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    common = min(common, min(len(ids) for ids in prompts) - 1)
    return common if common >= MIN_PREFIX else 0


@cache
def _get_attention() -> tuple[Callable[[], DynamicCache], str]:
    """A factory of caches with room to grow, and the name of an attention that copies no keys. Imports transformers."""
    import torch
    from transformers import AttentionInterface, DynamicCache
    from transformers.cache_utils import DynamicLayer
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    class GrowingLayer(DynamicLayer):  # type: ignore[misc]
        keys: Any
        values: Any
        room: Any = None  # keys and values with free columns at the end
        shown: Any = None  # the part of the room that was handed out last

        def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            if key_states.shape[2] != 1 or self.get_seq_length() == 0:
                found: tuple[Any, Any] = super().update(key_states, value_states, *args, **kwargs)
                return found
            length = self.keys.shape[2]
            if self.shown is not self.keys or self.room[0].shape[2] == length:  # rows came or went, or it is full
                self.room = tuple(torch.nn.functional.pad(part, (0, 0, 0, ROOM)) for part in (self.keys, self.values))
            for part, new in zip(self.room, (key_states, value_states), strict=True):
                part[:, :, length] = new[:, :, 0]
            self.keys, self.values = (part[:, :, : length + 1] for part in self.room)
            self.shown = self.keys
            return self.keys, self.values

    def attend(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **kwargs: Any
    ) -> tuple[Any, None]:
        batch, heads, count, size = query.shape
        shared = heads // key.shape[1]
        if count > 1 or shared == 1 or kwargs.get("position_bias") is not None:
            whole: tuple[Any, None] = sdpa_attention_forward(
                module, query, key, value, attention_mask, scaling=scaling, **kwargs
            )
            return whole
        mask = None if attention_mask is None else attention_mask.expand(-1, -1, shared, -1)
        grouped = query.reshape(batch, key.shape[1], shared, size)
        output = torch.nn.functional.scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scaling)
        return output.reshape(batch, 1, heads, size), None

    def make_cache() -> DynamicCache:
        made = DynamicCache()
        made.layer_class_to_replicate = GrowingLayer
        return made

    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    return make_cache, ATTENTION


@contextmanager
def grouped_attention(model: LanguageModel) -> Iterator[Callable[[], DynamicCache]]:
    """A model with sdpa attention uses the one that copies no keys meanwhile; yields the factory of caches."""
    make_cache, name = _get_attention()
    before = model.config._attn_implementation
    if before == "sdpa":
        model.config._attn_implementation = name
    try:
        yield make_cache
    finally:
        model.config._attn_implementation = before


class DecodingBatch:
    """The rows that are being answered: their attention mask, and keys and values of every layer, padded on the left.

    Args:
        model: a causal LM with full attention in all layers.
        prefix: token ids that all prompts begin with; computed once.
        pad_id: fills short rows.
        make_cache: from ``grouped_attention``.
    """

    def __init__(
        self, model: LanguageModel, prefix: list[int], pad_id: int, make_cache: Callable[[], DynamicCache]
    ) -> None:
        import torch

        self.model, self.pad_id, self.torch, self.make_cache = model, pad_id, torch, make_cache
        self.rows: list[Request] = []
        self.mask: Any = None  # (rows, width), 1 for tokens and 0 for padding
        self.cache: Any = None
        self.next: Any = None  # (rows, 1): the last token of each row
        self.prefix: list[tuple[Any, Any]] = []
        self.prefix_length = len(prefix)
        if prefix:
            start = make_cache()
            model(
                input_ids=torch.tensor([prefix], device=model.device),
                past_key_values=start,
                use_cache=True,
                logits_to_keep=1,
            )
            self.prefix = [(layer.keys, layer.values) for layer in start.layers]

    def enter(self, requests: list[Request]) -> torch.Tensor:
        """Add rows: computes their prompts and returns the logits after each, (new rows, vocabulary)."""
        torch, start = self.torch, self.prefix_length
        rest = [request.ids[start:] for request in requests]
        width = max(len(ids) for ids in rest)
        device = self.model.device
        ids = torch.tensor([[self.pad_id] * (width - len(row)) + row for row in rest], device=device)
        own = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rest], device=device)
        mask = torch.cat([own.new_ones(len(rest), start), own], dim=1)
        memory = self.make_cache()
        for number, (keys, values) in enumerate(self.prefix):
            shape = (len(rest), -1, -1, -1)
            memory.update(keys.expand(*shape), values.expand(*shape), number)
        places = (mask.cumsum(1) - 1).clamp(min=0)[:, start:]
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=places,
            past_key_values=memory,
            use_cache=True,
            logits_to_keep=1,
        )
        self._join(requests, mask, memory)
        return output.logits[:, -1]

    def _join(self, requests: list[Request], mask: torch.Tensor, memory: DynamicCache) -> None:
        torch = self.torch
        if not self.rows:
            self.rows, self.mask, self.cache = list(requests), mask, memory
            return
        missing = mask.shape[1] - self.mask.shape[1]
        pad = torch.nn.functional.pad
        ours, theirs = max(0, missing), max(0, -missing)
        self.mask = torch.cat([pad(self.mask, (ours, 0)), pad(mask, (theirs, 0))])
        for layer, new in zip(self.cache.layers, memory.layers, strict=True):
            layer.keys = torch.cat([pad(layer.keys, (0, 0, ours, 0)), pad(new.keys, (0, 0, theirs, 0))])
            layer.values = torch.cat([pad(layer.values, (0, 0, ours, 0)), pad(new.values, (0, 0, theirs, 0))])
        self.rows += requests

    def step(self) -> torch.Tensor:
        """One forward pass over the last token of every row; returns the logits, (rows, vocabulary)."""
        self.mask = self.torch.cat([self.mask, self.mask.new_ones(len(self.rows), 1)], dim=1)
        places = self.mask.sum(1, keepdim=True) - 1
        output = self.model(
            input_ids=self.next,
            attention_mask=self.mask,
            position_ids=places,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]

    def keep(self, numbers: list[int]) -> None:
        """Keep only these rows, and drop the columns on the left that are padding in all of them."""
        self.rows = [self.rows[n] for n in numbers]
        if not numbers:
            self.mask = self.cache = None
            return
        index = self.torch.tensor(numbers, device=self.mask.device)
        mask = self.mask[index]
        first = int(mask.any(0).to(self.torch.int8).argmax())
        self.mask = mask[:, first:]
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[index][:, :, first:], layer.values[index][:, :, first:]

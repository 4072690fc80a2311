"""Answers to many prompts at once: the common start is read once, finished rows leave the batch, waiting ones take their place.

What costs time when rows are answered together on few cores, and what is done about it:

- a batch that waits for its longest answer works for rows that ended long ago: a row leaves when it ends, the next one enters;
- every prompt begins with the same system turn: it is read once and its keys and values are shared out;
- padding is computed as well: rows enter in the order of their length, and columns that nobody needs any more are cut off;
- keys and values would be copied for every token, once to append to them and once for each query head that shares them: they
  get room to grow in, and the heads that share a key are asked as if they were positions.

Models whose layers are not all of plain attention (sliding windows, state spaces) go through ``generate`` of transformers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError

FIRST_BATCH = 32
MIN_PREFIX = 8
ROOM = 32  # tokens that keys and values can grow by before they are copied
ATTENTION = "gaslamp_shared_heads"


@dataclass
class Prompt:
    """One prompt on its way: its token ids, the limit of its answer, and what has been said so far."""

    index: int
    ids: list[int]
    limit: int
    answer: list[int] = field(default_factory=list)
    seconds: float = 0.0
    generator: Any = None  # of the row, when answers are drawn


@dataclass(frozen=True)
class Answer:
    """``tokens`` without the one that ended it; ``stopped``: it ended by itself."""

    index: int
    tokens: list[int]
    stopped: bool
    seconds: float


@dataclass(frozen=True)
class Sampling:
    """Greedy at temperature 0, else drawn: each row with a stream of its own, so that the batch changes nothing."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 3407


def decode(
    model: Any,
    prompts: list[list[int]],
    limits: list[int],
    stop_ids: list[int],
    pad_id: int,
    batch_size: int | None,
    sampling: Sampling | None = None,
) -> Iterator[Answer]:
    """Answer every prompt, in the order in which answers end.

    Args:
        model: a transformers causal LM in evaluation mode.
        prompts: token ids, none of them empty.
        limits: the most tokens of each answer.
        stop_ids: an answer ends at any of these.
        pad_id: what fills short rows.
        batch_size: rows together; ``None`` starts with 32. Halved when memory runs out; answers that ended are kept.
        sampling: greedy when ``None``.

    Raises:
        GaslampError: not enough memory for a single prompt.
    """
    sampling = sampling or Sampling()
    waiting = sorted(
        (Prompt(n, ids, limit) for n, (ids, limit) in enumerate(zip(prompts, limits, strict=True))),
        key=lambda p: (len(p.ids), p.limit),
    )
    size = batch_size or FIRST_BATCH
    run = _decode_together if is_plain(model) else _decode_with_generate
    prefix = get_prefix([prompt.ids for prompt in waiting])
    while waiting:
        finished: set[int] = set()
        try:
            for answer in run(model, waiting, prefix, stop_ids, pad_id, size, sampling):
                finished.add(answer.index)
                yield answer
        except (RuntimeError, MemoryError) as error:
            if not is_memory_error(error):
                raise
            if size == 1:
                longest = max(len(prompt.ids) for prompt in waiting)
                raise GaslampError(
                    f"not enough memory for one prompt of {longest} tokens",
                    "take a smaller model, or close other programs",
                ) from error
            size = max(1, min(size, len(waiting)) // 2)
            say(f"out of memory: going on with batches of {size}; finished answers are kept")
        waiting = [Prompt(p.index, p.ids, p.limit) for p in waiting if p.index not in finished]
    return


def is_memory_error(error: BaseException) -> bool:
    """Whether an allocation failed, on any device."""
    return isinstance(error, MemoryError) or "memory" in str(error).lower()


def is_plain(model: Any) -> bool:
    """Whether every layer attends to all that came before: then keys and values of rows can be cut and joined."""
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
    """How many tokens all prompts begin with, one less than the shortest at most: each row reads at least its last token."""
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)
    common = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    common = min(common, min(len(ids) for ids in prompts) - 1)
    return common if common >= MIN_PREFIX else 0


@cache
def _get_tools() -> tuple[Callable[[], Any], str]:
    """A maker of caches with room to grow, and the name of an attention that copies no keys. Imports transformers."""
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

    def make_cache() -> Any:
        made = DynamicCache()
        made.layer_class_to_replicate = GrowingLayer
        return made

    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    return make_cache, ATTENTION


@contextmanager
def share_heads(model: Any) -> Iterator[Callable[[], Any]]:
    """Let a model with sdpa attention use the one that copies no keys, and give the maker of caches."""
    make_cache, name = _get_tools()
    before = model.config._attn_implementation
    if before == "sdpa":
        model.config._attn_implementation = name
    try:
        yield make_cache
    finally:
        model.config._attn_implementation = before


class Batch:
    """The rows that are being answered: their mask, and the keys and values of every layer, all padded on the left."""

    def __init__(self, model: Any, prefix: list[int], pad_id: int, make_cache: Callable[[], Any]) -> None:
        import torch

        self.model, self.pad_id, self.torch, self.make_cache = model, pad_id, torch, make_cache
        self.rows: list[Prompt] = []
        self.mask: Any = None  # (rows, width) of 0 and 1
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

    def enter(self, prompts: list[Prompt]) -> Any:
        """Read new prompts and put their rows below the others; returns the logits after each, (rows, vocabulary)."""
        torch, start = self.torch, self.prefix_length
        rest = [prompt.ids[start:] for prompt in prompts]
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
        self._join(prompts, mask, memory)
        return output.logits[:, -1]

    def _join(self, prompts: list[Prompt], mask: Any, memory: Any) -> None:
        torch = self.torch
        if not self.rows:
            self.rows, self.mask, self.cache = list(prompts), mask, memory
            return
        missing = mask.shape[1] - self.mask.shape[1]
        pad = torch.nn.functional.pad
        ours, theirs = max(0, missing), max(0, -missing)
        self.mask = torch.cat([pad(self.mask, (ours, 0)), pad(mask, (theirs, 0))])
        for layer, new in zip(self.cache.layers, memory.layers, strict=True):
            layer.keys = torch.cat([pad(layer.keys, (0, 0, ours, 0)), pad(new.keys, (0, 0, theirs, 0))])
            layer.values = torch.cat([pad(layer.values, (0, 0, ours, 0)), pad(new.values, (0, 0, theirs, 0))])
        self.rows += prompts

    def step(self) -> Any:
        """One more token of every row; returns the logits, (rows, vocabulary)."""
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
        """Drop all other rows, and the columns at the left that are padding for every row that stays."""
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


def _decode_together(
    model: Any, prompts: list[Prompt], prefix: int, stop_ids: list[int], pad_id: int, size: int, sampling: Sampling
) -> Iterator[Answer]:
    import torch

    waiting = list(prompts)
    with torch.inference_mode(), share_heads(model) as make_cache:
        batch = Batch(model, prompts[0].ids[:prefix], pad_id, make_cache)
        logits: Any = None
        while waiting or batch.rows:
            started = time.monotonic()
            free = size - len(batch.rows)
            # entering interrupts the others: worth it for a few rows at once, or when the batch has run dry
            if waiting and (not batch.rows or free >= max(1, min(size, len(waiting)) // 4)):
                new, waiting = waiting[:free], waiting[free:]
                entered = batch.enter(new)
                logits = entered if logits is None else torch.cat([logits, entered])
            drawn = draw(logits, batch.rows, sampling)
            spent = (time.monotonic() - started) / len(batch.rows)
            staying, ended = [], []
            for number, (row, token) in enumerate(zip(batch.rows, drawn, strict=True)):
                row.seconds += spent
                stopped = token in stop_ids
                if not stopped:
                    row.answer.append(token)
                if stopped or len(row.answer) >= row.limit:
                    ended.append(Answer(row.index, row.answer, stopped, row.seconds))
                else:
                    staying.append(number)
            if len(staying) < len(batch.rows):
                batch.keep(staying)
            yield from ended
            if batch.rows:
                started = time.monotonic()
                batch.next = torch.tensor([[row.answer[-1]] for row in batch.rows], device=model.device)
                logits = batch.step()
                spent = (time.monotonic() - started) / len(batch.rows)
                for row in batch.rows:
                    row.seconds += spent
            else:
                logits = None


def draw(logits: Any, rows: list[Prompt], sampling: Sampling) -> list[int]:
    """The next token of every row. ``logits``: (rows, vocabulary)."""
    import torch

    if sampling.temperature == 0:
        tokens: list[int] = logits.argmax(-1).tolist()
        return tokens
    result = []
    shares = torch.softmax(logits.float() / sampling.temperature, dim=-1).cpu()
    for row, share in zip(rows, shares, strict=True):
        if row.generator is None:
            row.generator = torch.Generator().manual_seed(sampling.seed * 1_000_003 + row.index)
        ordered, places = share.sort(descending=True)
        # the token that crosses top_p still belongs to it
        ordered[ordered.cumsum(0) - ordered >= sampling.top_p] = 0
        result.append(int(places[torch.multinomial(ordered, 1, generator=row.generator)]))
    return result


def _decode_with_generate(
    model: Any, prompts: list[Prompt], prefix: int, stop_ids: list[int], pad_id: int, size: int, sampling: Sampling
) -> Iterator[Answer]:
    """Batches of like length through ``generate``: for models whose memory of earlier tokens cannot be cut and joined."""
    import torch

    waiting = list(prompts)
    while waiting:
        batch = [p for p in waiting[:size] if p.limit == waiting[0].limit]
        waiting = [p for p in waiting if p not in batch]
        width = max(len(p.ids) for p in batch)
        ids = torch.tensor([[pad_id] * (width - len(p.ids)) + p.ids for p in batch], device=model.device)
        mask = torch.tensor([[0] * (width - len(p.ids)) + [1] * len(p.ids) for p in batch], device=model.device)
        started = time.monotonic()
        with torch.inference_mode():
            output = model.generate(
                input_ids=ids,
                attention_mask=mask,
                **get_generate_settings(batch[0].limit, stop_ids, pad_id, sampling, batch[0].index),
            )
        seconds = (time.monotonic() - started) / len(batch)
        for prompt, row in zip(batch, output[:, width:].tolist(), strict=True):
            yield cut(prompt.index, row, stop_ids, seconds)


def get_generate_settings(
    limit: int, stop_ids: list[int], pad_id: int, sampling: Sampling, seed: int = 0
) -> dict[str, Any]:
    """Arguments of ``generate``; drawing is seeded once a batch there."""
    import torch

    settings: dict[str, Any] = {
        "max_new_tokens": limit,
        "eos_token_id": stop_ids,
        "pad_token_id": pad_id,
        "top_k": None,
    }
    if sampling.temperature == 0:
        return settings | {"do_sample": False, "temperature": None, "top_p": None}
    torch.manual_seed(sampling.seed * 1_000_003 + seed)
    return settings | {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p}


def cut(index: int, row: list[int], stop_ids: list[int], seconds: float) -> Answer:
    """An answer from what ``generate`` returned for one row: up to the first stop."""
    end = next((i for i, token in enumerate(row) if token in stop_ids), None)
    return Answer(index, row if end is None else row[:end], end is not None, seconds)

"""Answers to many prompts: in a batch that rows enter and leave, or through ``generate`` of transformers.

Models whose layers are not all of plain attention (sliding windows, state spaces) go through ``generate``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.evaluate.batching import is_memory_error
from gaslamp.evaluate.decoding_batch import DecodingBatch, Request, get_prefix, grouped_attention, is_plain

if TYPE_CHECKING:
    import torch

    from gaslamp.evaluate.protocols import LanguageModel

FIRST_BATCH = 32


@dataclass(frozen=True)
class Answer:
    """``tokens`` without the one that ended it; ``stopped``: it ended by itself."""

    index: int
    tokens: list[int]
    stopped: bool
    seconds: float


@dataclass(frozen=True)
class Sampling:
    """Greedy at temperature 0, else sampled: each row has its own random stream,
    so that the batch size changes nothing.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 3407


def decode(
    model: LanguageModel,
    prompts: list[list[int]],
    limits: list[int],
    stop_ids: list[int],
    pad_id: int,
    batch_size: int | None,
    sampling: Sampling | None = None,
) -> Iterator[Answer]:
    """Generate an answer to every prompt; yields answers as they end.

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
        (Request(n, ids, limit) for n, (ids, limit) in enumerate(zip(prompts, limits, strict=True))),
        key=lambda p: (len(p.ids), p.limit),
    )
    size = batch_size or FIRST_BATCH
    run = _decode_in_batch if is_plain(model) else _decode_with_generate
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
            say(f"out of memory: continuing with batch size {size}; finished answers are kept")
        waiting = [Request(p.index, p.ids, p.limit) for p in waiting if p.index not in finished]
    return


def _decode_in_batch(
    model: LanguageModel,
    requests: list[Request],
    prefix: int,
    stop_ids: list[int],
    pad_id: int,
    size: int,
    sampling: Sampling,
) -> Iterator[Answer]:
    import torch

    waiting = list(requests)
    with torch.inference_mode(), grouped_attention(model) as make_cache:
        batch = DecodingBatch(model, requests[0].ids[:prefix], pad_id, make_cache)
        logits: torch.Tensor | None = None
        while waiting or batch.rows:
            started = time.monotonic()
            free = size - len(batch.rows)
            # entering interrupts the others: worth it for a few rows at once, or when the batch has run dry
            if waiting and (not batch.rows or free >= max(1, min(size, len(waiting)) // 4)):
                new, waiting = waiting[:free], waiting[free:]
                entered = batch.enter(new)
                logits = entered if logits is None else torch.cat([logits, entered])
            assert logits is not None  # rows are in the batch
            sampled = sample_tokens(logits, batch.rows, sampling)
            spent = (time.monotonic() - started) / len(batch.rows)
            staying, ended = [], []
            for number, (row, token) in enumerate(zip(batch.rows, sampled, strict=True)):
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


def sample_tokens(logits: torch.Tensor, rows: list[Request], sampling: Sampling) -> list[int]:
    """The next token of every row: greedy, or sampled from the row's own random stream.

    Args:
        logits: (rows, vocabulary).
        rows: in the same order.
        sampling: generation settings.
    """
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
    model: LanguageModel,
    requests: list[Request],
    prefix: int,
    stop_ids: list[int],
    pad_id: int,
    size: int,
    sampling: Sampling,
) -> Iterator[Answer]:
    """Batches of similar length through ``generate``: for models whose cache cannot be cut and joined by rows."""
    import torch

    waiting = list(requests)
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
            yield cut_at_stop(prompt.index, row, stop_ids, seconds)


def get_generate_settings(
    limit: int, stop_ids: list[int], pad_id: int, sampling: Sampling, seed: int = 0
) -> dict[str, object]:
    """Arguments of ``generate``; sampling is seeded once a batch there.

    Args:
        limit: most tokens of an answer.
        stop_ids, pad_id: as for ``decode``.
        sampling: generation settings.
        seed: number of the batch's first row.
    """
    import torch

    settings: dict[str, object] = {
        "max_new_tokens": limit,
        "eos_token_id": stop_ids,
        "pad_token_id": pad_id,
        "top_k": None,
    }
    if sampling.temperature == 0:
        return settings | {"do_sample": False, "temperature": None, "top_p": None}
    torch.manual_seed(sampling.seed * 1_000_003 + seed)
    return settings | {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p}


def cut_at_stop(index: int, row: list[int], stop_ids: list[int], seconds: float) -> Answer:
    """The answer in what ``generate`` returned for one row: the tokens before the first stop token."""
    end = next((i for i, token in enumerate(row) if token in stop_ids), None)
    return Answer(index, row if end is None else row[:end], end is not None, seconds)

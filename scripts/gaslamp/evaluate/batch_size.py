"""The batch size of generation: measured on one row, then on two; what the second one added shows how many fit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.evaluate.batching import ATTEMPTS, SHARE, get_fitting, get_free_bytes, is_memory_error, measure_peak
from gaslamp.evaluate.decoding_batch import DecodingBatch, Request, get_prefix, grouped_attention, is_plain

if TYPE_CHECKING:
    from gaslamp.evaluate.protocols import LanguageModel

MOST = {"cpu": 64, "cuda": 256}  # a larger batch is no faster


def find_batch_size(
    model: LanguageModel, prompts: list[list[int]], limits: list[int], pad_id: int, available: float | None = None
) -> int:
    """The batch size that fits into half of the free memory, measured on the longest prompts with answers at their
    limit.

    Args:
        model: a transformers causal LM in evaluation mode.
        prompts, limits, pad_id: as for ``decode``.
        available: free bytes on the device; ``None``: as the device reports.

    Raises:
        GaslampError: not enough memory for one row.
    """
    import torch

    most = min(MOST.get(model.device.type, 64), max(1, len(prompts)))
    if most <= ATTEMPTS[-1]:
        return most
    started = time.monotonic()
    order = sorted(range(len(prompts)), key=lambda n: len(prompts[n]) + limits[n], reverse=True)
    prefix = get_prefix(prompts) if is_plain(model) else 0

    def attempt(count: int) -> None:
        rows = [prompts[n] + [pad_id] * limits[n] for n in order[:count]]
        with torch.inference_mode():
            if is_plain(model):
                _generate_one_token(model, rows, prefix, pad_id)
            else:
                width = max(len(row) for row in rows)
                ids = torch.tensor([[pad_id] * (width - len(row)) + row for row in rows], device=model.device)
                model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=2,
                    do_sample=False,
                    pad_token_id=pad_id,
                )

    peaks: list[int] = []
    for count in ATTEMPTS:
        try:
            peaks.append(measure_peak(model.device, lambda count=count: attempt(count)))  # type: ignore[misc]
        except (RuntimeError, MemoryError) as error:
            if not is_memory_error(error):
                raise
            if count == 1:
                longest = len(prompts[order[0]])
                raise GaslampError(
                    f"not enough memory for one prompt of {longest} tokens",
                    "take a smaller model, or close other programs",
                ) from error
            say("batch size 1: two rows do not fit into memory")
            return 1
    size = get_fitting(peaks, SHARE * (get_free_bytes(model.device) if available is None else available), most)
    say(
        f"batch size {size}: each row needs {max(0, peaks[1] - peaks[0]) / 1e6:.1f} MB"
        f" (probed in {time.monotonic() - started:.1f} s)"
    )
    return size


def _generate_one_token(model: LanguageModel, rows: list[list[int]], prefix: int, pad_id: int) -> None:
    """One token of each row, as the decoding batch generates it."""
    with grouped_attention(model) as make_cache:
        batch = DecodingBatch(model, rows[0][:prefix], pad_id, make_cache)
        batch.next = batch.enter([Request(n, row, 1) for n, row in enumerate(rows)]).argmax(-1, keepdim=True)
        batch.step()

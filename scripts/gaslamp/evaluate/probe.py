"""How many rows are answered together: found by answering one row, then two, and looking what the second one took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.evaluate.decode import Batch, Prompt, get_prefix, is_memory_error, is_plain, share_heads
from gaslamp.evaluate.measure import run_batches

SHARE = 0.5  # of the free memory: other programs live here too, and estimates err
MOST = {"cpu": 64, "cuda": 256}  # more rows at once compute no faster
ATTEMPTS = (1, 2)


def find_batch_size(
    model: Any, prompts: list[list[int]], limits: list[int], pad_id: int, available: float | None = None
) -> int:
    """Rows that fit into half of the free memory, as measured on the longest prompts with their answers written to the limit.

    Args:
        model: a transformers causal LM in evaluation mode.
        prompts, limits, pad_id: as for ``decode``.
        available: free bytes on the device; ``None``: what it says.

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
                _answer_together(model, rows, prefix, pad_id)
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
            say("batches of 1 row: two do not fit into memory")
            return 1
    size = get_fitting(peaks, SHARE * (get_free_bytes(model.device) if available is None else available), most)
    say(
        f"batches of {size}: a row takes {max(0, peaks[1] - peaks[0]) / 1e6:.1f} MB (probed in {time.monotonic() - started:.1f} s)"
    )
    return size


def _answer_together(model: Any, rows: list[list[int]], prefix: int, pad_id: int) -> None:
    """Read some rows and answer one token of each."""
    with share_heads(model) as make_cache:
        batch = Batch(model, rows[0][:prefix], pad_id, make_cache)
        batch.next = batch.enter([Prompt(n, row, 1) for n, row in enumerate(rows)]).argmax(-1, keepdim=True)
        batch.step()


def run_growing(
    device: Any,
    order: list[int],
    batch_size: int | None,
    most: int,
    run: Callable[[list[int]], list[Any]],
    measure: Callable[[int], int],
) -> Iterator[Any]:
    """``run_batches`` with batches of the given size, or of one that its first three items tell; their results count.

    Args:
        device: of the model.
        order: items, the largest first.
        batch_size: items together; ``None``: as many as fit, at most ``most``.
        run, measure: as for ``run_batches``.
    """
    first = 0
    if batch_size is None:
        batch_size = most
        if len(order) > sum(ATTEMPTS):
            peaks: list[int] = []
            for count in ATTEMPTS:
                numbers = order[first : first + count]
                found: list[Any] = []

                def run_probe(numbers: list[int] = numbers, found: list[Any] = found) -> None:
                    found.extend(run_batches(numbers, len(numbers), run, measure))

                peaks.append(measure_peak(device, run_probe))
                first += count
                yield from found
            batch_size = get_fitting(peaks, SHARE * get_free_bytes(device), most)
            say(f"batches of {batch_size}: a row takes {max(0, peaks[1] - peaks[0]) / 1e6:.1f} MB")
    yield from run_batches(order[first:], batch_size, run, measure)


def get_fitting(peaks: list[int], budget: float, most: int) -> int:
    """Rows from the peaks of one row and of two: what the second one added, each further one adds."""
    first, second = peaks
    row = max(
        1, second - first, second // 4
    )  # memory that was there already hides a part: never less than half of the average
    return max(1, min(most, 1 + int((budget - first) / row)))


def measure_peak(device: Any, work: Callable[[], Any]) -> int:
    """The most bytes that ``work`` held at once, beyond what was there before.

    On CUDA the allocator tells; elsewhere the profiler records every allocation.
    """
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device) - before)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    held = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def get_free_bytes(device: Any) -> float:
    """Free memory of a device; of the machine inside the container's limit."""
    if device.type == "cuda":
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    from gaslamp.environment.hardware import get_memory

    return get_memory()["available"] * 1e9

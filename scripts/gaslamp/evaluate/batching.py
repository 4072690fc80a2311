"""Work in batches that fit into memory: halved when memory runs out,
sized by the measured peak of one row and of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.environment.hardware import get_memory

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

SHARE = 0.5  # of the free memory: other programs run too, and estimates err
ATTEMPTS = (1, 2)


def is_memory_error(error: BaseException) -> bool:
    """Whether an allocation failed, on any device."""
    return isinstance(error, MemoryError) or "memory" in str(error).lower()


def run_batches(
    order: list[int], batch_size: int, run: Callable[[list[int]], list[T]], measure: Callable[[int], int]
) -> Iterator[T]:
    """Run ``run`` on ``batch_size`` items of ``order`` at a time, half as many whenever memory runs out; results are
    kept.

    Args:
        order: item numbers.
        batch_size: items of the first batch.
        run: computes the results of some items.
        measure: length of an item in tokens, for the error.

    Raises:
        GaslampError: not enough memory for one item.
    """
    import torch

    waiting, size = list(order), max(1, batch_size)
    while waiting:
        batch = waiting[:size]
        try:
            with torch.inference_mode():
                found = run(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_memory_error(error):
                raise
            if len(batch) == 1:
                raise GaslampError(
                    f"not enough memory for one row of {measure(batch[0])} tokens",
                    "take a smaller model, or close other programs",
                ) from error
            size = max(1, len(batch) // 2)
            say(f"out of memory: continuing with batch size {size}; finished rows are kept")
            continue
        waiting = waiting[len(batch) :]
        yield from found


def run_growing(
    device: torch.device,
    order: list[int],
    batch_size: int | None,
    most: int,
    run: Callable[[list[int]], list[T]],
    measure: Callable[[int], int],
) -> Iterator[T]:
    """``run_batches`` with a given batch size, or one that the first three items determine; their results count too.

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
                found: list[T] = []

                def run_probe(numbers: list[int] = numbers, found: list[T] = found) -> None:
                    found.extend(run_batches(numbers, len(numbers), run, measure))

                peaks.append(measure_peak(device, run_probe))
                first += count
                yield from found
            batch_size = get_fitting(peaks, SHARE * get_free_bytes(device), most)
            say(f"batch size {batch_size}: each row needs {max(0, peaks[1] - peaks[0]) / 1e6:.1f} MB")
    yield from run_batches(order[first:], batch_size, run, measure)


def get_fitting(peaks: list[int], budget: float, most: int) -> int:
    """The batch size from the peak memory (bytes) of one row and of two:
    each further row adds what the second one added.
    """
    first, second = peaks
    # memory that was allocated already hides a part: never less than half of the average
    row = max(1, second - first, second // 4)
    return max(1, min(most, 1 + int((budget - first) / row)))


def measure_peak(device: torch.device, work: Callable[[], object]) -> int:
    """Peak memory of ``work`` in bytes, beyond what was allocated before: of CUDA's allocator,
    elsewhere of the profiler.
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


def get_free_bytes(device: torch.device) -> float:
    """Free memory of a device in bytes; on the CPU within the container's limit."""
    if device.type == "cuda":
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    return get_memory()["available"] * 1e9

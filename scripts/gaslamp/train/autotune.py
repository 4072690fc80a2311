"""What a training on an NVIDIA GPU is started with where the config leaves it open: from GPU, model and lengths of the rows.

``choose`` calculates before anything is loaded; ``fit_batch`` corrects the rows of a pass by probe steps that are measured. Both keep
the rows of a step as the config has them, so that the choice changes how fast a training is, not what it learns (packing and 4 bit
aside, which are taken for a reason that is told). Values that the config sets are never changed: only what ``train.choose`` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from types import SimpleNamespace
from typing import Any

from gaslamp.core.processes import get_local_rank
from gaslamp.environment.gpu_memory import CONTEXT_GB, describe_parts, get_gpu_need
from gaslamp.environment.memory_estimate import Shape
from gaslamp.train.sampler import LengthSampler

LEAST, MOST = 0.85, 0.92
"""Share of the free memory that a training may take where it can use it: above, a batch of another shape could run out."""
PROBES = 4  # measured steps at most, before the first one of the training
AGAIN = {"lora": 1.5, "none": 4 / 3}
"""How much more is computed with checkpointing: 6 instead of 4 operations a weight and token beside frozen weights, 8 instead of 6 else."""
HALF_SPEED = (
    512.0  # tokens in a pass at which a GPU is half busy (assumed; the hand search of make bench-gpu measures it)
)
SAVED_PADDING = 0.1  # of the computed tokens: less is not worth packing


@dataclass(frozen=True)
class Gpu:
    """What is known of a GPU; ``free_gb`` is what a new process may take, CUDA itself not yet counted."""

    name: str
    total_gb: float
    free_gb: float
    capability: tuple[int, int] | None = None  # (9, 0) for an H100
    varlen: str | None = None  # a library with attention for packed rows: flash_attn, xformers


@dataclass(frozen=True)
class Lengths:
    """Tokens of the training rows: each of a sample of them, or all."""

    rows: int
    tokens: list[int]

    @property
    def longest(self) -> int:
        return max(self.tokens, default=0)

    @property
    def mean(self) -> float:
        return sum(self.tokens) / len(self.tokens) if self.tokens else 0.0

    @staticmethod
    def from_card(card: dict[str, Any], max_length: int) -> Lengths:
        """From data/card.json, whose histogram has every row in bins; rows over ``max_length`` are left out of a training."""
        rows, longest = int(card["rows"]["train"]), int(card["tokens"]["total"]["max"])
        bins = [
            (min(entry["to"] - 1, longest), entry["rows"]) for entry in card["histogram"] if entry["from"] < max_length
        ]
        share = max(1.0, sum(count for _, count in bins) / 4000)
        tokens = [min(length, max_length) for length, count in bins for _ in range(ceil(count / share))]
        return Lengths(rows, tokens or [min(longest, max_length)])


@dataclass
class Choice:
    """Values for ``train``, why each was taken (``value: reason``), and the memory that they need."""

    changes: dict[str, Any]
    reasons: dict[str, str]
    parts: dict[str, float]
    limit_gb: float  # what may be used: MOST of the free memory
    room_gb: float  # the free memory
    sizes: list[int] = field(
        default_factory=list
    )  # rows of a pass that keep the rows of a step, when they may be changed

    @property
    def need_gb(self) -> float:
        return round(sum(self.parts.values()), 1)

    def describe(self, gpu: Gpu) -> str:
        """One line for people."""
        values = ", ".join(f"{name} {_show(value)}" for name, value in self.changes.items()) or "nothing was left open"
        return f"chosen for {gpu.name} ({gpu.total_gb:.0f} GB, {self.room_gb:.1f} free): {values}; {self.need_gb:.1f} GB calculated ({describe_parts(self.parts)})"


def choose(train: Any, shape: Shape, method: Any, name: str, gpu: Gpu, lengths: Lengths) -> Choice:
    """The fastest way that fits, of all that the open settings allow.

    16-bit weights come before 4-bit ones (the same speed, and exact); then what is computed least for a token: without
    checkpointing before with it, passes of many tokens before those of few, packed rows before padded ones.

    Args:
        train: settings with the method's preset filled in, and ``choose``: the names that may be changed.
        shape: of the base model.
        method, name: the plug-in and its name.
        gpu: where it shall train.
        lengths: of the rows.
    """
    open_ = set(train.choose)
    room = max(0.0, gpu.free_gb)
    limit = MOST * room
    best: tuple[tuple[Any, ...], dict[str, Any], dict[str, float], int] | None = None
    step_rows = train.batch_size * train.gradient_accumulation
    for values, tokens, padding in _get_candidates(train, open_, method, gpu, lengths):
        settings = SimpleNamespace(**{**_as_dict(train), **values})
        parts = get_gpu_need(shape, settings, tokens, method, name)
        need = sum(parts.values())
        fits = need <= limit
        again = AGAIN[train.adapter] if settings.gradient_checkpointing else 1.0
        usual = (
            tokens
            if settings.packing
            else max(1.0, min(tokens, settings.batch_size * lengths.mean * getattr(method, "SEQUENCES", 1)))
        )
        slow = again * (1 + HALF_SPEED / usual) / (1 - padding)
        rank = (not fits, settings.quantization != "none" if fits else 0, round(slow, 3) if fits else need, need)
        if best is None or rank < best[0]:
            best = (rank, values, parts, tokens)
    assert best is not None
    _, values, parts, tokens = best
    changes = {key: value for key, value in values.items() if key in open_}
    choice = Choice(changes, {}, parts, limit, room)
    if {"batch_size", "gradient_accumulation"} <= open_:
        choice.sizes = get_sizes(changes["batch_size"] * changes["gradient_accumulation"])
    _add_reasons(choice, train, gpu, lengths, step_rows, tokens)
    return choice


def get_open(train: Any, method: Any, sees: bool, quantized: bool = False) -> list[str]:
    """Of the names in train.choose those that can be judged for a method.

    The rows of a pass are no free choice where they are compared with each other or drawn together (embedding, grpo and its
    family), and what images take is not known before they are read. ``quantized``: the base model's files hold 4-bit weights already.
    """
    fixed: set[str] = set()
    if getattr(method, "BATCH_IS_LOSS", False) or hasattr(method, "get_probe_batch") or sees:
        fixed |= {"batch_size", "gradient_accumulation", "packing"}
    if not getattr(method, "PACKS", False):
        fixed.add("packing")
    if getattr(method, "ARTEFACT", "causal_lm") != "causal_lm" or train.adapter == "none":
        fixed.add("quantization")
    if quantized:
        fixed.add("quantization")
    return [key for key in train.choose if key not in fixed]


def get_sizes(rows: int) -> list[int]:
    """Rows of a pass that divide the rows of a step, the smallest first."""
    return [size for size in range(1, rows + 1) if rows % size == 0]


def get_padding(lengths: list[int], rows: int, size: int, seed: int = 0) -> float:
    """Share of padding among the tokens that are computed, in the order that the training takes them."""
    order = list(LengthSampler(lengths, rows, seed))
    computed = 0
    batches = iter(order)
    while batch := list(islice(batches, size)):
        computed += len(batch) * max(lengths[row] for row in batch)
    return 1 - sum(lengths) / computed if computed else 0.0


def _get_candidates(
    train: Any, open_: set[str], method: Any, gpu: Gpu, lengths: Lengths
) -> Iterator[tuple[dict[str, Any], int, float]]:
    """Values, tokens of the largest pass, share of padding: for every combination of what is open."""
    step_rows = train.batch_size * train.gradient_accumulation
    splits = [(train.batch_size, train.gradient_accumulation)]
    if {"batch_size", "gradient_accumulation"} <= open_:
        splits = [(size, step_rows // size) for size in get_sizes(step_rows)]
    sequences = getattr(method, "SEQUENCES", 1)
    longest = (lengths.longest or train.max_length) * sequences
    weights = ["none", "4bit"] if "quantization" in open_ else [train.quantization]
    again = [False, True] if "gradient_checkpointing" in open_ else [train.gradient_checkpointing]
    padded = {size: get_padding(lengths.tokens, step_rows, size, train.seed) for size, _ in splits}
    for quantization in weights:
        for checkpointing in again:
            values = {"quantization": quantization, "gradient_checkpointing": checkpointing}
            for size, accumulation in splits:
                split = {"batch_size": size, "gradient_accumulation": accumulation, "packing": train.packing}
                yield (
                    {**values, **split},
                    size * (train.max_length if train.packing else longest),
                    0.0 if train.packing else padded[size],
                )
            if (
                "packing" in open_
                and not train.packing
                and len(splits) > 1
                and _is_packing_worth(train, gpu, lengths, step_rows)
            ):
                sequences_of_step = max(1, round(step_rows / (train.max_length / lengths.mean)))
                for size in get_sizes(sequences_of_step):
                    split = {"batch_size": size, "gradient_accumulation": sequences_of_step // size}
                    yield {**values, "packing": True, **split}, size * train.max_length, 0.0


def _is_packing_worth(train: Any, gpu: Gpu, lengths: Lengths, step_rows: int) -> bool:
    return (
        bool(gpu.varlen)
        and lengths.mean * step_rows >= train.max_length
        and get_padding(lengths.tokens, step_rows, step_rows, train.seed) > SAVED_PADDING
    )


def _add_reasons(choice: Choice, train: Any, gpu: Gpu, lengths: Lengths, step_rows: int, tokens: int) -> None:
    """Why each value was taken, as ``value: reason``."""
    changes, reasons = choice.changes, choice.reasons
    share = choice.need_gb / choice.room_gb if choice.room_gb else 0.0
    used = f"{choice.need_gb:.1f} GB of {choice.room_gb:.1f} calculated ({share:.0%})".replace("%)", " %)")
    if choice.need_gb > choice.limit_gb:
        used += (
            f", which is over {choice.limit_gb:.1f} GB: the smallest way there is; the probe step tells whether it fits"
        )
    if "quantization" in changes:
        four = (
            "16-bit weights do not fit here"
            if changes["quantization"] == "4bit"
            else "16-bit weights fit, which are exact and as fast"
        )
        reasons["quantization"] = f"{changes['quantization']}: {four}"
    if "gradient_checkpointing" in changes:
        on = changes["gradient_checkpointing"]
        more = AGAIN[train.adapter]
        why = (
            f"without it the activations do not fit; {(more - 1) * 100:.0f} % more is computed"
            if on
            else f"the activations fit, and {(1 - 1 / more) * 100:.0f} % less is computed"
        )
        reasons["gradient_checkpointing"] = f"{_show(on)}: {why}"
    if "batch_size" in changes:
        size, accumulation = changes["batch_size"], changes["gradient_accumulation"]
        largest = size * accumulation == size
        why = "the whole step in one pass" if largest else f"passes of up to {tokens:,} tokens"
        rows = (
            f"{size * accumulation} packed sequences hold about the {step_rows} rows of a step"
            if changes.get("packing")
            else f"{step_rows} rows a step as the preset has it"
        )
        reasons["batch_size"] = f"{size}: {why}, {rows}; {used}"
        reasons["gradient_accumulation"] = f"{accumulation}: {step_rows} rows a step"
    if "packing" in changes:
        padding = get_padding(lengths.tokens, step_rows, changes.get("batch_size", train.batch_size), train.seed)
        if train.packing:
            why = "as the method's preset has it"
        elif changes["packing"]:
            why = f"saves {padding:.0%} of padding; {gpu.varlen} keeps packed rows apart"
        elif "batch_size" not in changes:
            why = "the rows of a pass are set, and packed a step would see more of them"
        elif not gpu.varlen:
            why = "neither flash_attn nor xformers is installed, and a full mask costs more than padding"
        elif lengths.mean * step_rows < train.max_length:
            why = f"one packed sequence of {train.max_length} tokens would hold more rows than a step has"
        else:
            why = f"rows of like length stand together, only {padding:.0%} of the tokens are padding"
        reasons["packing"] = f"{_show(changes['packing'])}: {why.replace('%', ' %')}"


@dataclass
class Fit:
    """What the probe steps measured: the rows of a pass to train with, and every probe (rows, GB; ``None``: did not fit)."""

    size: int
    peak_gb: float
    probes: list[tuple[int, float | None]]
    reason: str


def fit_batch(
    measure: Callable[[int], float | None], sizes: list[int], start: int, base_gb: float, room_gb: float
) -> Fit | None:
    """The most rows of a pass whose measured peak stays within MOST of the memory, found by at most PROBES measured steps.

    What a row takes is learnt from the probes themselves: the next size is the largest that it says will fit.

    Args:
        measure: one whole step of so many rows, the longest there are -> peak in GB, ``None`` when memory ran out.
        sizes: that may be taken, ascending.
        start: the one that was calculated.
        base_gb: in use before the step (weights, adapter).
        room_gb: all that may ever be used.

    Returns:
        ``None`` when not even the smallest fits.
    """
    limit = MOST * room_gb
    probes: list[tuple[int, float | None]] = []
    known: dict[int, float | None] = {}
    size: int | None = start
    while size is not None and len(probes) < PROBES:
        known[size] = measure(size)
        probes.append((size, known[size]))
        size = _get_next(known, sizes, base_gb, limit)
    fitting = {tried: peak for tried, peak in known.items() if peak is not None and peak <= limit}
    if not fitting:  # above the margin, but it did run
        fitting = {tried: peak for tried, peak in known.items() if peak is not None}
        if not fitting:
            smaller = [one for one in sizes if one < min(known)]
            if not smaller or (peak := measure(smaller[0])) is None:
                return None
            probes.append((smaller[0], peak))
            fitting = {smaller[0]: peak}
        best = min(fitting)
    else:
        best = max(fitting)
    peak = fitting[best]
    share = f"{peak / room_gb:.0%}".replace("%", " %")
    larger = [one for one in sizes if one > best]
    if not larger:
        why = "the whole step in one pass" + ("" if peak >= LEAST * room_gb else ": more memory would change nothing")
    elif known.get(larger[0], 0.0) is None:
        why = f"{larger[0]} ran out of memory"
    elif known.get(larger[0]):
        why = f"{larger[0]} took {known[larger[0]]:.1f} GB, over {limit:.1f}"
    else:
        why = f"{larger[0]} would take {base_gb + (peak - base_gb) / best * larger[0]:.1f} GB, over {limit:.1f}"
    return Fit(best, peak, probes, f"measured {peak:.1f} of {room_gb:.1f} GB ({share}); {why}")


def _get_next(known: dict[int, float | None], sizes: list[int], base_gb: float, limit: float) -> int | None:
    """The largest size that fits by what was measured so far, when it was not tried yet."""
    measured = {size: peak for size, peak in known.items() if peak is not None}
    failed = [size for size in known if known[size] is None]
    below = [size for size in sizes if not failed or size < min(failed)]
    if not below:
        return None
    if not measured:  # ran out at once: the middle of those below
        return below[len(below) // 2]
    most = max(measured)
    per_row = max(0.0, (measured[most] - base_gb) / most)
    wanted = [size for size in below if base_gb + per_row * size <= limit and measured.get(size, 0.0) <= limit]
    target = wanted[-1] if wanted else below[0]
    return target if target not in known else None


def choose_attention(gpu: Gpu, engine: str, dtype: str) -> tuple[str, str]:
    """The attention of a training and its reason; Unsloth picks its own kernels of what is installed."""
    if engine == "unsloth":
        library = gpu.varlen or "PyTorch's fused attention"
        return gpu.varlen or "sdpa", f"Unsloth takes {library}, the fastest of what is installed"
    if gpu.varlen == "flash_attn" and dtype != "float32" and (gpu.capability or (0, 0)) >= (8, 0):
        return "flash_attention_2", "flash_attn is installed, and this GPU runs it"
    return (
        "sdpa",
        "PyTorch's fused attention; flash_attn is not installed"
        if gpu.varlen != "flash_attn"
        else "PyTorch's fused attention",
    )


def read_gpu() -> Gpu | None:
    """The GPU that this process computes on; ``None`` without one. What this process holds already counts as free."""
    import importlib.util

    import torch

    if not torch.cuda.is_available():
        return None
    device = get_local_rank()
    free, total = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device)
    varlen = next((name for name in ("flash_attn", "xformers") if importlib.util.find_spec(name)), None)
    return Gpu(
        torch.cuda.get_device_name(device),
        round(total / 1e9, 2),
        round(free / 1e9 + CONTEXT_GB, 2),
        torch.cuda.get_device_capability(device),
        varlen,
    )


def _as_dict(train: Any) -> dict[str, Any]:
    names = (
        "batch_size",
        "gradient_accumulation",
        "packing",
        "gradient_checkpointing",
        "quantization",
        "engine",
        "adapter",
        "lora",
        "dtype",
        "max_length",
    )
    return {name: getattr(train, name) for name in names}


def _show(value: Any) -> str:
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)

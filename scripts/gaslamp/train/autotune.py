"""Settings that the config leaves open for a training on an NVIDIA GPU, chosen by GPU, model and lengths of the rows.

``choose`` calculates before anything is loaded; fit_batch corrects the batch size by measured steps. Both keep the
effective batch size of the config, so that the choice changes how fast a training is, not what it learns (packing and 4
bit aside, which are taken for a reason that is recorded). Values that the config sets are never changed: only what
``train.choose`` lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from gaslamp.core.decisions import Decision
from gaslamp.environment.gpu_memory import describe_parts, get_gpu_need
from gaslamp.environment.memory_estimate import MemorySettings
from gaslamp.models.shape import Shape
from gaslamp.train.autotune_reasons import LONGEST_MASK, RECOMPUTED, SAVED_PADDING, MemoryUse, explain, show
from gaslamp.train.fit_batch import MOST
from gaslamp.train.gpu import Gpu
from gaslamp.train.lengths import Lengths, get_padding

if TYPE_CHECKING:
    from gaslamp.train.types import TrainSettings

HALF_SPEED = 4000.0
"""Tokens in a forward pass at which a GPU is half busy: an 8B pass on an H200 took 0.41 s plus 95 us a token."""
SAME_LENGTH = 0.8
"""Time of a pass whose length never changes, as of packed rows, over one of changing lengths (H200: 0.72 to 0.85)."""


@dataclass
class Choice:
    """Values for section ``train``, why each was taken, and the memory that they need."""

    changes: dict[str, Any]
    decisions: list[Decision]
    parts: dict[str, float]  # GB by part
    limit_gb: float  # what may be used: MOST of the free memory
    room_gb: float  # the free memory
    sizes: list[int] = field(default_factory=list)  # batch sizes that keep the effective one, where they may be changed

    @property
    def need_gb(self) -> float:
        """Sum of the parts."""
        return round(sum(self.parts.values()), 1)

    def describe(self, gpu: Gpu) -> str:
        """One line for people."""
        values = ", ".join(f"{name} {show(value)}" for name, value in self.changes.items()) or "nothing was left open"
        return (
            f"chosen for {gpu.name} ({gpu.total_gb:.0f} GB, {self.room_gb:.1f} free): {values}; "
            f"{self.need_gb:.1f} GB calculated ({describe_parts(self.parts)})"
        )


@dataclass(frozen=True)
class Candidate:
    """One combination of the open settings."""

    values: dict[str, Any]
    tokens: int  # of the largest forward pass
    padding: float  # share of padding among the computed tokens


def choose(train: TrainSettings, shape: Shape, method: object, gpu: Gpu, lengths: Lengths) -> Choice:
    """The fastest combination that fits, of all that the open settings allow.

    16-bit weights come before 4-bit ones (the same speed, and exact); then what computes least for a token: without
    checkpointing before with it, forward passes of many tokens before those of few, packed rows before padded ones,
    passes of one length before those of changing lengths.

    Args:
        train: settings with the method's preset filled in, and ``choose``: the names that may be changed.
        shape: of the base model.
        method: the plug-in.
        gpu: where it should train.
        lengths: of the rows.
    """
    open_ = set(train.choose)
    room = max(0.0, gpu.free_gb)
    limit = MOST * room
    best: tuple[tuple[bool, int | bool, float, float], Candidate, dict[str, float]] | None = None
    for candidate in _get_candidates(train, open_, method, gpu, lengths):
        settings = _with_values(train, candidate.values)
        parts = get_gpu_need(shape, settings, candidate.tokens, method)
        need = sum(parts.values())
        fits = need <= limit
        slow = _get_slowness(settings, candidate, method, lengths)
        rank = (not fits, settings.quantization != "none" if fits else 0, round(slow, 3) if fits else need, need)
        if best is None or rank < best[0]:
            best = (rank, candidate, parts)
    assert best is not None
    _, candidate, parts = best
    changes = {key: value for key, value in candidate.values.items() if key in open_}
    choice = Choice(changes, [], parts, limit, room)
    if {"batch_size", "gradient_accumulation"} <= open_:
        choice.sizes = get_sizes(changes["batch_size"] * changes["gradient_accumulation"])
    memory = MemoryUse(choice.need_gb, room, limit)
    joined = is_padding_free(train, method)
    choice.decisions = explain(changes, memory, train, gpu, lengths, candidate.tokens, joined)
    return choice


def get_open(train: TrainSettings, method: object, is_multimodal: bool, quantized: bool = False) -> list[str]:
    """The names in train.choose that can be judged for a method.

    The batch size is no free choice where rows of a batch are compared with each other or sampled together (embedding,
    grpo and its family), and how much memory images take is not known before they are read.

    Args:
        train: settings with ``choose``.
        method: the plug-in.
        is_multimodal: whether its rows hold images.
        quantized: whether the base model's files hold 4-bit weights already.
    """
    fixed: set[str] = set()
    if getattr(method, "BATCH_IS_LOSS", False) or hasattr(method, "get_probe_batch") or is_multimodal:
        fixed |= {"batch_size", "gradient_accumulation", "packing"}
    if not getattr(method, "PACKS", False):
        fixed.add("packing")
    if getattr(method, "ARTEFACT", "causal_lm") != "causal_lm" or train.adapter == "none" or quantized:
        fixed.add("quantization")
    return [key for key in train.choose if key not in fixed]


def get_sizes(rows: int) -> list[int]:
    """Batch sizes that divide an effective batch size of ``rows``, the smallest first."""
    return [size for size in range(1, rows + 1) if rows % size == 0]


def _with_values(train: MemorySettings, values: Mapping[str, object]) -> MemorySettings:
    """The keys of ``train`` that memory depends on, with other values."""
    own = {name: getattr(train, name) for name in MemorySettings.__annotations__}
    return cast(MemorySettings, SimpleNamespace(**{**own, **values}))


def _get_slowness(settings: MemorySettings, candidate: Candidate, method: object, lengths: Lengths) -> float:
    """Relative time for a token of the data: what is computed for it, and its share of the fixed cost of a pass.

    Checkpointing computes more, but a pass that waits for its launches hides that.
    """
    again = RECOMPUTED[settings.adapter] if settings.gradient_checkpointing else 1.0
    usual: float = candidate.tokens
    if not settings.packing:
        row_tokens = settings.batch_size * lengths.mean * getattr(method, "SEQUENCES", 1)
        usual = max(1.0, min(candidate.tokens, row_tokens))
    each = SAME_LENGTH if settings.packing else 1.0
    return each * (again + HALF_SPEED / usual) / (1 - candidate.padding)


def _get_candidates(
    train: TrainSettings, open_: set[str], method: object, gpu: Gpu, lengths: Lengths
) -> Iterator[Candidate]:
    """Every combination of what is open."""
    step_rows = train.batch_size * train.gradient_accumulation
    splits = [(train.batch_size, train.gradient_accumulation)]
    if {"batch_size", "gradient_accumulation"} <= open_:
        splits = [(size, step_rows // size) for size in get_sizes(step_rows)]
    sequences = getattr(method, "SEQUENCES", 1)
    longest = (lengths.longest or train.max_length) * sequences
    weights = ["none", "4bit"] if "quantization" in open_ else [train.quantization]
    again = [False, True] if "gradient_checkpointing" in open_ else [train.gradient_checkpointing]
    joined = is_padding_free(train, method)
    padding = {size: 0.0 if joined else get_padding(lengths.tokens, step_rows, size, train.seed) for size, _ in splits}
    for quantization in weights:
        for checkpointing in again:
            values = {"quantization": quantization, "gradient_checkpointing": checkpointing}
            for size, accumulation in splits:
                split = {"batch_size": size, "gradient_accumulation": accumulation, "packing": train.packing}
                if train.packing:
                    tokens = size * train.max_length
                else:
                    tokens = lengths.get_largest(size) if joined and lengths.tokens else size * longest
                yield Candidate({**values, **split}, tokens, 0.0 if train.packing else padding[size])
            if (
                "packing" in open_
                and not train.packing
                and len(splits) > 1
                and _is_packing_worth(train, method, gpu, lengths, step_rows)
            ):
                sequences_of_step = max(1, round(step_rows / (train.max_length / lengths.mean)))
                for size in get_sizes(sequences_of_step):
                    split = {"batch_size": size, "gradient_accumulation": sequences_of_step // size}
                    yield Candidate({**values, "packing": True, **split}, size * train.max_length, 0.0)


def is_padding_free(train: TrainSettings, method: object) -> bool:
    """Whether the rows of a batch are joined to one sequence, not padded: Unsloth does it for methods that pack."""
    return train.engine == "unsloth" and bool(getattr(method, "PACKS", False))


def _is_packing_worth(train: TrainSettings, method: object, gpu: Gpu, lengths: Lengths, step_rows: int) -> bool:
    """Whether packing is possible, exact, and saves something: padding, or the launches of many small passes."""
    joined = is_padding_free(train, method)
    exact = bool(gpu.varlen) or (joined and train.max_length <= LONGEST_MASK)
    saves = joined or get_padding(lengths.tokens, step_rows, step_rows, train.seed) > SAVED_PADDING
    return exact and saves and lengths.mean * step_rows >= train.max_length

"""Rules that a training must keep, in one place, each with its reason. Asked twice: by the preflight, with what the config
tells, and before the first step, when rows and steps are counted.

What the config cannot even express needs no rule here: there is no key for vLLM or a paged optimizer on a processor, the bias
of an adapter is never trained, and data.max_truncated, the end token of answers and the padding token are looked at where they
are made (data phase, template.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gaslamp.train.method import get_method, get_options


@dataclass(frozen=True)
class Run:
    """What is known of a training; ``None``: not yet."""

    settings: Any  # slice with backend, method, train
    parameters: int | None = None  # of the base model
    rows: int | None = None
    steps: int | None = None

    @property
    def options(self) -> Any:
        """The method's own settings."""
        return get_options(self.settings.method, self.settings.train.options)


@dataclass(frozen=True)
class Broken:
    """A rule that is not kept: ``blocking`` stops the run, the others are said."""

    blocking: bool
    text: str
    fix: str


def find_broken_rules(run: Run) -> list[Broken]:
    """All of them: those of every training, then those of the method (its ``find_broken_rules(run)``)."""
    own: Callable[[Run], Iterable[Broken]] = getattr(
        get_method(run.settings.method), "find_broken_rules", lambda run: []
    )
    return [*_find_common(run), *own(run)]


def _find_common(run: Run) -> Iterator[Broken]:
    train, backend = run.settings.train, run.settings.backend
    if (
        backend in ("cuda", "colab")
        and train.engine == "unsloth"
        and train.adapter == "lora"
        and train.lora.dropout > 0
    ):
        yield Broken(
            False,
            f"train.lora.dropout is {train.lora.dropout:g}: Unsloth's fast kernels work with 0 only",
            "set train.lora.dropout: 0.0",
        )
    if train.dtype == "float16" and train.adapter == "none":
        yield Broken(
            True,
            "train.dtype is float16 with train.adapter none: small updates of 16-bit weights are rounded away, and the loss overflows",
            "set train.dtype: float32 (or bfloat16 on a GPU), or train.adapter: lora",
        )
    if train.dtype == "float16" and backend == "cpu":
        yield Broken(
            False,
            "train.dtype is float16 on a processor: slower than float32, and the loss may overflow",
            "set train.dtype: auto",
        )
    if train.adapter == "none" and train.learning_rate > 5e-4 and (run.parameters or 0) > 5e7:
        yield Broken(
            False,
            f"train.learning_rate is {train.learning_rate:g} with train.adapter none: rates for adapters tear a whole model apart",
            "leave learning_rate null for the method's preset, typical 1e-6 to 1e-4",
        )
    if train.packing and train.max_length < 128:
        yield Broken(
            False,
            f"train.packing with max_length {train.max_length}: next to nothing fits together",
            "raise train.max_length, or turn packing off",
        )
    if run.steps is not None and run.steps < 5:
        yield Broken(
            False,
            f"only {run.steps} steps: next to nothing is learnt",
            "raise train.epochs or train.max_steps, lower batch_size or gradient_accumulation",
        )

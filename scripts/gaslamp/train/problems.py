"""What makes a training fail or learn little, in one place, each with its reason.

The preflight looks for such problems with what the config says, and so does the training before its first step, when
rows and steps are counted. What the config cannot express needs no rule here: there is no key for a paged optimizer,
the bias of an adapter is never trained; too long rows, the end token of answers and the padding token are checked where
they are made (data phase, template).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaslamp.config.backends import get_backend
from gaslamp.config.methods import get_method, get_options

if TYPE_CHECKING:
    from pydantic import BaseModel

    from gaslamp.config.slices import Slice


@dataclass(frozen=True)
class PlannedRun:
    """What is known of a training before it starts; ``None``: not yet."""

    settings: Slice
    parameters: int | None = None  # of the base model
    rows: int | None = None
    steps: int | None = None

    @property
    def options(self) -> BaseModel:
        """The method's own settings."""
        return get_options(self.settings.method, self.settings.train.options)


@dataclass(frozen=True)
class Problem:
    """One problem: ``blocking`` stops the run, the others are warnings."""

    blocking: bool
    cause: str
    fix: str


def find_run_problems(run: PlannedRun) -> list[Problem]:
    """All problems of a planned run: those of every training, of its backend, and of its method."""
    settings = run.settings
    find_own: Callable[[PlannedRun], Iterable[Problem]] = getattr(
        get_method(settings.method), "find_run_problems", lambda run: []
    )
    find_warnings: Callable[[Slice], list[tuple[str, str]]] = getattr(
        get_backend(settings.backend), "find_setting_warnings", lambda settings: []
    )
    warnings = [Problem(False, cause, fix) for cause, fix in find_warnings(settings)]
    return [*_find_common(run), *warnings, *find_own(run)]


def _find_common(run: PlannedRun) -> Iterator[Problem]:
    train = run.settings.train
    if train.dtype == "float16" and train.adapter == "none":
        yield Problem(
            True,
            "train.dtype is float16 with train.adapter none: small updates of 16-bit weights are rounded away, and the "
            "loss overflows",
            "set train.dtype: float32 (or bfloat16 on a GPU), or train.adapter: lora",
        )
    if train.adapter == "none" and (train.learning_rate or 0) > 5e-4 and (run.parameters or 0) > 5e7:
        yield Problem(
            False,
            f"train.learning_rate is {train.learning_rate:g} with train.adapter none: such a rate suits an adapter and "
            "damages a whole model",
            "leave learning_rate null for the method's preset, typical 1e-6 to 1e-4",
        )
    if train.packing and train.max_length < 128:
        yield Problem(
            False,
            f"train.packing with max_length {train.max_length}: hardly any two rows fit into one sequence",
            "raise train.max_length, or turn packing off",
        )
    if run.steps is not None and run.steps < 5:
        yield Problem(
            False,
            f"only {run.steps} steps: hardly anything is learned",
            "raise train.epochs or train.max_steps, lower batch_size or gradient_accumulation",
        )

"""State of a trainer that must survive a probe step, an evaluation, or a resume."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.files import read_json
from gaslamp.core.processes import get_count

if TYPE_CHECKING:
    from torch.nn import Module

    from gaslamp.train.types import Trainer
    from gaslamp.train.watcher import Watcher


@contextmanager
def keep_random_state() -> Iterator[None]:
    """Restore all random states afterwards: what happens inside takes no number that the training would have taken."""
    import random

    import numpy
    import torch

    before, before_numpy = random.getstate(), numpy.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(before)
            numpy.random.set_state(before_numpy)


@contextmanager
def keep_counters(trainer: Trainer) -> Iterator[None]:
    """Keep what happens inside out of the first values that TRL's trainer logs."""
    names = [name for name in ("_metrics", "_stored_metrics") if hasattr(trainer, name)]
    tokens = getattr(trainer, "_total_train_tokens", None)
    try:
        yield
    finally:
        for name in names:
            for values in getattr(trainer, name).values():
                values.clear()
        if tokens is not None:
            trainer._total_train_tokens = tokens  # type: ignore[attr-defined]


@contextmanager
def keep_compiled(model: Module) -> Iterator[None]:
    """Keep what is compiled inside for the training.

    Unsloth marks a model whose forward pass ran before ``train()`` and then drops all compiled code, because code that
    was compiled in another context may give wrong gradients. What runs inside must run as the training does: in its
    mode, its checkpointing and its arithmetic.
    """
    yield
    for module in model.modules():
        marker = getattr(module, "_unsloth_pretrain_marker", None)
        if isinstance(marker, dict):
            marker["seen"] = False


def restore_counters(trainer: Trainer, watcher: Watcher, checkpoint: Path | None, step: int) -> None:
    """Set TRL's counters of tokens and forward passes to where a checkpoint left them; TRL begins again at 0.

    Where completions serve several steps (num_iterations) the trainer then samples again at the same step as without a
    resume.

    Args:
        trainer: that will resume.
        watcher: of this training.
        checkpoint: that it resumes from, or ``None``.
        step: of that checkpoint.
    """
    if checkpoint is None:
        return
    history = read_json(checkpoint / "trainer_state.json")["log_history"]
    tokens = next((entry["num_tokens"] for entry in reversed(history) if "num_tokens" in entry), 0)
    watcher.tokens_before = float(tokens)
    if hasattr(trainer, "_total_train_tokens"):
        trainer._total_train_tokens = tokens
    if hasattr(trainer, "_step"):
        trainer._step = step * trainer.args.gradient_accumulation_steps


def forget_preparation(trainer: Trainer) -> None:
    """Undo accelerate's preparation of the model by an evaluation, where several processes train.

    Accelerate takes a model that was prepared for an evaluation as ready. Each process would then train a model of its
    own, and their gradients would never be added.
    """
    if get_count() > 1:
        trainer.accelerator._models.clear()
        trainer.model._is_accelerate_prepared = False


def set_processor_name(trainer: Trainer) -> None:
    """Call the device ``cpu``, where several processes train on one processor.

    Accelerate calls it cpu:0, and torch restores no optimizer to a device of that name.
    """
    import torch

    if get_count() > 1 and trainer.args.device.type == "cpu":
        trainer.args.__dict__["_setup_devices"] = torch.device("cpu")

"""Probe steps: training steps on the longest rows before the first that counts, so that lack of memory shows early."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.backends import is_autotuned
from gaslamp.config.methods import get_method
from gaslamp.config.slices import change_train
from gaslamp.core.console import say
from gaslamp.core.decisions import Decision, find_decision, set_decision
from gaslamp.core.events import Events
from gaslamp.core.files import read_json, write_json
from gaslamp.environment.gpu_memory import CONTEXT_GB, get_gpu_need
from gaslamp.environment.memory_estimate import get_memory_need
from gaslamp.models.checkpoint import read_shape
from gaslamp.train.errors import get_loss_error
from gaslamp.train.fit_batch import fit_batch
from gaslamp.train.oom import is_out_of_memory
from gaslamp.train.plan import Plan
from gaslamp.train.trl.arguments import set_batch
from gaslamp.train.trl.measure import begin_measuring, get_memory_gb
from gaslamp.train.trl.state import keep_compiled, keep_counters, keep_random_state

if TYPE_CHECKING:
    from gaslamp.train.protocols import ProbeBatch
    from gaslamp.train.types import Trainer


def probe_longest(
    trainer: Trainer, lengths: list[int], get_batch: ProbeBatch | None = None, size: int = 0
) -> dict[str, float]:
    """Run one whole step on the longest rows: forward, backward, and an optimizer step with learning rate 0.

    The optimizer's moments are in memory then too. Weights, random states and counters are as before afterwards.

    Args:
        trainer: a trainer that did not begin yet.
        lengths: tokens of each row of its data set.
        get_batch: the method's ``get_probe_batch(trainer, rows)``, for one whose collator does not make what
            compute_loss takes (it generates first); ``None`` from it: no probe.
        size: rows in the forward pass; 0: as many as the trainer's batch has.

    Returns:
        tokens (in the batch, with padding), seconds, peak_memory_gb; empty when the method has no such batch.

    Raises:
        GaslampError: a loss that is NaN or infinite. What the allocator raises goes through.
    """
    import torch

    model = trainer.model
    size = size or trainer.args.per_device_train_batch_size
    longest = sorted(range(len(lengths)), key=lambda row: lengths[row], reverse=True)[:size]
    rows = [trainer.train_dataset[row] for row in longest]
    started = time.monotonic()
    with keep_random_state(), keep_counters(trainer), keep_compiled(model):
        model.train()
        if trainer.args.gradient_checkpointing:  # the trainer turns it on only when it begins
            model.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs
            )
        try:
            batch = get_batch(trainer, rows) if get_batch else trainer.data_collator(rows)
            if batch is None:
                return {}
            batch = {
                key: value.to(trainer.args.device) if hasattr(value, "to") else value for key, value in batch.items()
            }
            # the model is not prepared by accelerate yet, which would add the 16-bit arithmetic of the training
            with trainer.accelerator.autocast(), trainer.compute_loss_context_manager():
                loss = trainer.compute_loss(model, batch)
            trainer.accelerator.backward(loss)
            optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.0, weight_decay=0.0)
            optimizer.step()
            peak = get_memory_gb()
            del optimizer
        finally:
            model.zero_grad(set_to_none=True)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise get_loss_error(0, value, "before the first step")
    tokens = max((t.numel() for t in batch.values() if hasattr(t, "numel") and t.dim() == 2), default=0)
    return {"tokens": float(tokens), "seconds": round(time.monotonic() - started, 3), "peak_memory_gb": peak}


def get_estimate(plan: Plan, tokens: int) -> float:
    """GB that the formulas give for a step: of the GPU where one computes, of the main memory elsewhere.

    Args:
        plan: of the training.
        tokens: in one forward pass, with padding.
    """
    import torch

    train, shape = plan.settings.train, read_shape(Path(plan.model.path))
    method = get_method(plan.settings.method)
    if is_autotuned(plan.settings.backend) and torch.cuda.is_initialized():
        return round(sum(get_gpu_need(shape, train, tokens, method).values()), 2)
    return round(sum(get_memory_need(shape, train, False, method).values()), 2)


def measure_batch_size(plan: Plan, trainer: Trainer, events: Events, decisions: list[Decision]) -> dict[str, float]:
    """Correct the calculated batch size by measured steps; the effective batch size stays.

    Args:
        plan: with a ``choice``; its settings get the batch size that was taken.
        trainer: that did not begin yet.
        events: gets the event ``fit``.
        decisions: those on batch_size and gradient_accumulation are replaced.

    Returns:
        The probe of the size that was taken.

    Raises:
        MemoryError: not even one row fits.
    """
    probes: dict[int, dict[str, float]] = {}

    def measure(size: int) -> float | None:
        ran_out = False
        begin_measuring()
        try:
            probes[size] = probe_longest(trainer, plan.lengths, size=size)
        except BaseException as error:
            if not is_out_of_memory(error):
                raise
            ran_out = True  # the next try begins outside of this block, whose error holds the tensors of the step
        return None if ran_out else probes[size]["peak_memory_gb"]

    args, choice = trainer.args, plan.choice
    assert choice is not None
    rows = args.per_device_train_batch_size * args.gradient_accumulation_steps
    room = choice.room_gb - CONTEXT_GB
    fit = fit_batch(measure, choice.sizes, args.per_device_train_batch_size, begin_measuring(), room)
    begin_measuring()  # the last try may have been a larger one
    if fit is None:
        raise MemoryError("not even one row fits")
    accumulation = rows // fit.size
    changes = {"batch_size": fit.size, "gradient_accumulation": accumulation}
    set_batch(trainer, **changes)
    plan.settings = change_train(plan.settings, changes)
    calculated = find_decision(decisions, "batch_size")
    reason = f"{fit.reason}; calculated: {calculated.text}" if calculated else fit.reason
    unit = "packed sequences" if plan.settings.train.packing else "rows"
    set_decision(decisions, "batch_size", fit.size, reason)
    set_decision(decisions, "gradient_accumulation", accumulation, f"{rows} {unit} a step, as before")
    say(f"batch size: {fit.size}: {reason}")
    record = plan.checkpoints / "chosen.json"  # what a resume uses
    if record.is_file():
        kept = read_json(record)
        ours = {decision.name: decision for decision in decisions if decision.name in changes}
        others = [entry for entry in kept["decisions"] if entry["name"] not in ours]
        values = [*others, *(decision.model_dump() for decision in ours.values())]
        write_json(record, {**kept, "changes": {**kept["changes"], **changes}, "decisions": values})
    events.write(
        "fit",
        batch_size=fit.size,
        gradient_accumulation=accumulation,
        probes=[list(probe) for probe in fit.probes],
        room_gb=room,
        reason=fit.reason,
    )
    return probes[fit.size]

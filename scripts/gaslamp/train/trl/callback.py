"""The callback that connects a transformers trainer with the Watcher."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.core.processes import agree, is_first
from gaslamp.train.checkpoints import record_hashes
from gaslamp.train.trl.measure import get_memory_gb
from gaslamp.train.validation import ValidationStopped
from gaslamp.train.watcher import OWNER_GONE, Watcher

if TYPE_CHECKING:
    from transformers import TrainerCallback, TrainerControl, TrainerState

RENAMED = ("loss", "learning_rate", "grad_norm", "epoch", "num_tokens", "mean_token_accuracy", "total_flos")
"""Values that a trainer logs and that have a name of their own in the events, or are left out."""
SPEEDS = ("runtime", "samples_per_second", "steps_per_second")
"""Values of an evaluation that the events leave out."""


def build_callback(watcher: Watcher) -> TrainerCallback:
    """A TrainerCallback; the class stands inside a function because transformers is imported late."""
    from transformers import TrainerCallback

    class Callback(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            watcher.catch_up(state.global_step)

        def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            try:
                watcher.look_in_validation()
            except ValidationStopped:
                control.should_training_stop = control.should_save = True
                control.should_evaluate = False  # else the end of the epoch measures again
                raise

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            watcher.step_started, watcher.step = time.monotonic(), state.global_step + 1

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            watcher.step_seconds = time.monotonic() - watcher.step_started
            decide_after_step(watcher, state, control)

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if is_first():
                record_hashes(Path(args.output_dir) / f"checkpoint-{state.global_step}")
            watcher.last_save, watcher.saved = time.monotonic(), state.global_step
            watcher.events.write("save", step=state.global_step)

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
            log_values(watcher, state, control, logs)

    return Callback()


def decide_after_step(watcher: Watcher, state: TrainerState, control: TrainerControl) -> None:
    """Ask the trainer for a checkpoint when it is time or requested, and for a stop when there is a reason."""
    if watcher.owner_gone():
        watcher.stop_reason = watcher.stop_reason or OWNER_GONE
    due, requested = watcher.is_save_due(), watcher.plan.save_request.exists()
    if requested and is_first():
        watcher.plan.save_request.unlink(missing_ok=True)
    watcher.stop_reason, due, requested = agree((watcher.stop_reason, due, requested))
    if watcher.stop_reason:
        control.should_training_stop = True
    if state.global_step in watcher.validations:
        control.should_evaluate = True
    if (due or requested or watcher.stop_reason) and state.global_step < watcher.steps:
        control.should_save = True


def log_values(watcher: Watcher, state: TrainerState, control: TrainerControl, logs: dict[str, float]) -> None:
    """Write what the trainer logs as events ``eval`` and ``step``; stop at a loss that is NaN or infinite."""
    watcher.peak_memory_gb = max(watcher.peak_memory_gb, get_memory_gb())
    if "eval_loss" in logs:
        own = {key.removeprefix("eval_"): value for key, value in logs.items()}
        seconds = round(float(logs.get("eval_runtime", 0.0)), 4)
        watcher.log(
            "eval",
            step=state.global_step,
            valid_loss=float(logs["eval_loss"]),
            seconds=seconds,
            **_get_own_values(own),
        )
        if watcher.ended and state.global_step:
            control.should_training_stop = True
    if "loss" not in logs:
        return
    loss = float(logs["loss"])
    seen = float(logs.get("num_tokens", state.num_input_tokens_seen))
    tokens, watcher.tokens_before = max(0.0, seen - watcher.tokens_before), seen
    watcher.log(
        "step",
        step=state.global_step,
        loss=loss,
        learning_rate=float(logs.get("learning_rate", 0.0)),
        **({"grad_norm": float(logs["grad_norm"])} if "grad_norm" in logs else {}),
        epoch=round(state.epoch or 0.0, 4),
        seconds=round(watcher.step_seconds, 4),
        tokens=round(tokens),
        memory_gb=watcher.peak_memory_gb,
        token_accuracy=logs.get("mean_token_accuracy"),
        **_get_own_values(logs),
    )
    if not math.isfinite(loss):
        watcher.nan = loss
        control.should_training_stop = True
        control.should_save = False
    elif watcher.stopped_by:
        control.should_training_stop = True
        control.should_save = state.global_step < watcher.steps
    watcher.progress.update(state.global_step, f"loss {loss:.3f}", watcher.get_remaining())


def _get_own_values(logs: dict[str, float]) -> dict[str, float]:
    """What the method's trainer logs besides the common values, by the trainer's own names."""
    return {
        name: round(float(value), 6)
        for name, value in logs.items()
        if name not in RENAMED + SPEEDS
        and not name.startswith(("train_", "eval_"))
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    }

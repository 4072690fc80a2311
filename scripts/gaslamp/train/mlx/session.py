"""The loop of a training with MLX: mlx-lm's own ``train`` with what it lacks around it.

mlx-lm does the steps, the gradient accumulation and the compiling. It has no clipping, no checkpoint that can be
resumed, one loss,
and an order of its own: these come from here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gaslamp.core.console import say
from gaslamp.core.errors import Interrupted
from gaslamp.core.events import Events
from gaslamp.train.errors import get_finding_error, get_loss_error
from gaslamp.train.mlx.objectives.base import Objective, count_tokens, get_logps, pad
from gaslamp.train.mlx.optimizer import get_optimizer
from gaslamp.train.mlx.resume import get_random_state, save_checkpoint
from gaslamp.train.mlx.types import Array, Model, Sample
from gaslamp.train.plan import Plan
from gaslamp.train.validation import ValidationStopped
from gaslamp.train.watcher import OWNER_GONE, Watcher


class Stop(Exception):
    """Leaves mlx-lm's loop between two steps."""


class Session:
    """One training: the batches and the loss that mlx-lm calls for, and what is logged and saved between two steps."""

    def __init__(
        self,
        plan: Plan,
        events: Events,
        watcher: Watcher,
        model: Model,
        objective: Objective,
        rows: list[Sample],
        valid: list[Sample],
        steps: int,
    ) -> None:
        import mlx.core as mx

        self.plan, self.events, self.watcher, self.model, self.objective = plan, events, watcher, model, objective
        self.rows, self.valid, self.steps = rows, valid, steps
        self.train_settings = train = plan.settings.train
        self.window = train.batch_size * train.gradient_accumulation
        self.steps_per_epoch = math.ceil(len(rows) / self.window)
        self.step = self.first = 0
        self.tokens = 0
        self.peak_memory_gb = 0.0
        self.nan: float | None = None
        self.optimizer = get_optimizer(train, steps)
        # What the loss reports leaves the compiled step as BatchNorm's averages do: in the model's state.
        self.model.reported = mx.zeros(max(1, len(objective.NAMES)))
        self.model.freeze(recurse=False, keys="reported")
        watcher.begin(steps)
        self.step_started = time.monotonic()

    def get_loss(self, model: Model, share: Array, count: Array, *batch: Array) -> tuple[Array, Array]:
        """What mlx-lm minimizes: the batch's mean times its share in the step.

        Its average over the accumulated batches is then the mean over the whole step, however many tokens each batch
        has.

        Args:
            model: that is trained.
            share: of the batch in the step; all shares of a step sum up to 1.
            count: weight of the batch in a validation.
            batch: arrays of the objective.
        """
        import mlx.core as mx

        loss, values = self.objective.get_loss(model, *batch)
        if values:
            model.reported = model.reported + mx.stop_gradient(share * mx.stack(values))
        return loss * share * self.train_settings.gradient_accumulation, count

    def get_batch(self, samples: list[Sample], share: float) -> tuple[Array, ...]:
        """Share in the step, count, and the arrays of some samples."""
        import mlx.core as mx

        if self.objective.REFERENCE and any("reference" not in sample for sample in samples):
            self.add_reference(samples)
        return (mx.array(share), mx.array(self.objective.count(samples)), *self.objective.collate(samples))

    def add_reference(self, samples: list[Sample]) -> None:
        """Add the log likelihood of each row under the model without its adapter, computed once for a sample."""
        import mlx.core as mx

        with without_adapter(self.model):
            for n in range(len(samples[0]["rows"])):
                ids, mask = pad([sample["rows"][n] for sample in samples])
                for sample, value in zip(
                    samples, get_logps(self.model, mx.array(ids), mx.array(mask))[0].sum(1).tolist(), strict=True
                ):
                    sample.setdefault("reference", [])[n:] = [value]

    def iterate_batches(
        self, dataset: object, batch_size: int, *_: object, **__: object
    ) -> Iterator[tuple[Array, ...]]:
        """The batches of the training from its present step on, without an end; every step has the same number."""
        train, number = self.train_settings, self.step
        order: list[int] = []
        while True:
            epoch, start = number // self.steps_per_epoch, number % self.steps_per_epoch * self.window
            if not start or not order:
                order = self.objective.get_order(self.rows, epoch)
            samples = [self.rows[n] for n in order[start : start + self.window]]
            batches = [samples[n : n + train.batch_size] for n in range(0, len(samples), train.batch_size)]
            counts = [self.objective.count(batch) for batch in batches]
            shares = [count / max(1, sum(counts)) for count in counts]
            missing = train.gradient_accumulation - len(batches)  # the last step of an epoch
            for batch, share in zip(batches + batches[:1] * missing, shares + [0.0] * missing, strict=True):
                self.tokens += sum(map(count_tokens, batch)) if share else 0
                yield self.get_batch(batch, share)
            number += 1

    def iterate_valid(
        self, dataset: Sequence[Sample], batch_size: int, *_: object, **__: object
    ) -> Iterator[tuple[Array, ...]]:
        """The validation rows once, in their order."""
        for start in range(0, len(dataset), batch_size):
            self.watcher.look_in_validation()
            yield self.get_batch(
                list(dataset[start : start + batch_size]), 1 / self.train_settings.gradient_accumulation
            )

    def probe(self) -> dict[str, float]:
        """Run forward and backward on the longest rows, so that too little memory shows early. Changes nothing."""
        import mlx.core as mx
        import mlx.nn as nn
        from mlx_lm.tuner.trainer import grad_checkpoint

        train = self.train_settings
        if train.gradient_checkpointing:
            grad_checkpoint(self.model.layers[0])
        longest = sorted(self.rows, key=count_tokens, reverse=True)[: train.batch_size]
        started = time.monotonic()
        self.model.train()
        random = get_random_state()
        batch = self.get_batch(longest, 1.0)
        (loss, _), gradients = nn.value_and_grad(self.model, self.get_loss)(self.model, *batch)
        mx.eval(loss, gradients)
        mx.random.seed(random)
        value = float(loss.item())
        del gradients
        self.take_reported()
        if not math.isfinite(value):
            raise get_loss_error(0, value, "before the first step")
        return {
            "tokens": float(batch[2].size),
            "seconds": round(time.monotonic() - started, 3),
            "peak_memory_gb": get_memory_gb(),
        }

    def train(self) -> None:
        """All steps that are left, with a validation before the first and ten after it."""
        from mlx_lm.tuner.callbacks import TrainingCallback
        from mlx_lm.tuner.trainer import TrainingArgs, train

        session, settings = self, self.train_settings

        class Callback(TrainingCallback):  # type: ignore[misc]
            def on_train_loss_report(self, train_info: dict[str, Any]) -> None:
                session.on_step(train_info)

            def on_val_loss_report(self, val_info: dict[str, Any]) -> None:
                session.watcher.log(
                    "eval",
                    step=val_info["iteration"],
                    valid_loss=float(val_info["val_loss"]),
                    seconds=round(val_info["val_time"], 4),
                )

        self.callback, self.first = Callback(), self.step
        self.watcher.measure = self.validate
        if self.step:
            self.watcher.catch_up(self.step)
        else:
            self.validate()
        if self.step >= self.steps or self.watcher.stopped_by or self.watcher.ended:
            return
        accumulation = settings.gradient_accumulation
        never = accumulation * self.steps + 1
        arguments = TrainingArgs(
            batch_size=settings.batch_size,
            iters=(self.steps - self.step) * accumulation,
            steps_per_report=accumulation,
            steps_per_eval=never,
            steps_per_save=never,
            max_seq_length=settings.max_length,
            grad_accumulation_steps=accumulation,
            adapter_file=str(self.plan.checkpoints / "last.safetensors"),
        )
        self.plan.checkpoints.mkdir(parents=True, exist_ok=True)
        self.step_started = time.monotonic()
        try:
            with self.watcher.catch_signals():
                train(
                    self.model,
                    self.optimizer,
                    self.rows,
                    None,
                    arguments,
                    self.get_loss,
                    self.iterate_batches,
                    self.callback,
                )
        except Stop:
            return
        finally:
            (self.plan.checkpoints / "last.safetensors").unlink(missing_ok=True)

    def on_step(self, info: dict[str, float]) -> None:
        """Log an optimizer step, then validate, save or stop. Raises Stop."""
        seconds = time.monotonic() - self.step_started
        before, self.step = self.step, self.first + info["iteration"] // self.train_settings.gradient_accumulation
        assert self.step == before + 1, "mlx-lm reports once for each optimizer step"
        self.watcher.step = self.step
        self.peak_memory_gb = max(self.peak_memory_gb, float(info["peak_memory"]), get_memory_gb())
        loss = float(info["train_loss"])
        own = {name: round(value, 6) for name, value in self.objective.finish(self.take_reported()).items()}
        self.watcher.log(
            "step",
            step=self.step,
            loss=loss,
            learning_rate=float(info["learning_rate"]),
            grad_norm=float(self.optimizer.state["grad_norm"].item()),
            epoch=round(self.step / self.steps_per_epoch, 4),
            seconds=round(seconds, 4),
            tokens=self.tokens,
            memory_gb=round(self.peak_memory_gb, 3),
            **own,
        )
        self.tokens = 0
        if not math.isfinite(loss):
            self.nan = loss
            raise Stop
        self.watcher.progress.update(self.step, f"loss {loss:.3f}", self.watcher.get_remaining())
        if self.step in self.watcher.validations:
            self.validate()
        self.decide()
        self.step_started = time.monotonic()

    def validate(self) -> None:
        """Loss of the validation rows by mlx-lm's own function, logged through its callback."""
        from mlx_lm.tuner.trainer import evaluate

        if not self.valid:
            return
        started = time.monotonic()
        try:
            loss = evaluate(
                self.model,
                self.valid,
                self.train_settings.batch_size * 2,
                -1,
                self.train_settings.max_length,
                self.get_loss,
                self.iterate_valid,
            )
        except ValidationStopped:
            return
        finally:
            self.model.train()
        self.take_reported()
        self.callback.on_val_loss_report(
            {"iteration": self.step, "val_loss": loss, "val_time": time.monotonic() - started}
        )

    def take_reported(self) -> list[float]:
        """What the losses reported since the last call."""
        import mlx.core as mx

        values: list[float] = self.model.reported.tolist()
        self.model.reported = mx.zeros_like(self.model.reported)
        return values[: len(self.objective.NAMES)]

    def decide(self) -> None:
        """Save a checkpoint when it is time or requested; stop when there is a reason. Raises Stop."""
        train, watcher = self.train_settings, self.watcher
        if watcher.owner_gone():
            watcher.stop_reason = watcher.stop_reason or OWNER_GONE
        requested = self.plan.save_request.exists()
        self.plan.save_request.unlink(missing_ok=True)
        due = watcher.is_save_due() or (train.save_steps and self.step % train.save_steps == 0)
        if due or requested or watcher.stop_reason or watcher.stopped_by or self.step == self.steps:
            self.save()
        if (watcher.stop_reason or watcher.stopped_by or watcher.ended) and self.step < self.steps:
            raise Stop

    def save(self) -> None:
        """Write a checkpoint of this step."""
        save_checkpoint(self.plan.checkpoints, self.step, self.model, self.optimizer)
        self.watcher.last_save, self.watcher.saved = time.monotonic(), self.step
        self.events.write("save", step=self.step)

    def end(self) -> None:
        """Log how the training ended. Raises for every end before the last step."""
        step = self.step
        if self.nan is not None:
            self.events.write("end", status="error", step=step, reason=f"loss became {self.nan}")
            raise get_loss_error(
                step,
                self.nan,
                f"checkpoint-{self.watcher.saved} is kept" if self.watcher.saved else "no checkpoint was saved yet",
            )
        if self.watcher.stopped_by and step < self.steps:
            self.events.write("end", status="error", step=step, reason=self.watcher.stopped_by.text)
            raise get_finding_error(self.watcher.stopped_by, self.steps, f"checkpoint-{self.watcher.saved} is kept")
        if self.watcher.ended and step < self.steps:
            say(f"ended at step {step} of {self.steps}: {self.watcher.ended}")
            self.events.write("end", status="completed", step=step, reason=self.watcher.ended)
            return
        if step < self.steps:
            reason = self.watcher.stop_reason or "mlx-lm ended early"
            self.events.write("end", status="interrupted", step=step, reason=reason)
            raise Interrupted(
                f"training stopped at step {step} of {self.steps} ({reason}); checkpoint-{step} is saved",
                "run the same command: it resumes from there",
            )
        self.events.write("end", status="completed", step=step, reason="")


@contextmanager
def without_adapter(model: Model) -> Iterator[None]:
    """Switch the adapter off inside the block."""
    layers = [module for _, module in model.named_modules() if hasattr(module, "lora_a")]
    scales = [layer.scale for layer in layers]
    try:
        for layer in layers:
            layer.scale = 0.0
        yield
    finally:
        for layer, scale in zip(layers, scales, strict=True):
            layer.scale = scale


def get_memory_gb() -> float:
    """Peak of the memory that MLX held, in GB: unified memory on a Mac."""
    import mlx.core as mx

    return round(float(mx.get_peak_memory()) / 1e9, 3)

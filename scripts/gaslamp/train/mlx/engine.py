"""The MLX engine behind the mac backend: mlx-lm's own trainer, told by its callback, with what it lacks around it.

mlx-lm's ``train`` does the steps, the gradient accumulation and the compiling. It has no clipping, no checkpoint that
can be gone on from, one loss, and an order of its own: these come from here. mlx-tune's SFTTrainer is not used: it drops
callbacks, accumulation, warm-up and load_in_4bit, and trains again in a subprocess after any error.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.core.events import Events
from gaslamp.core.files import read_json, write_json
from gaslamp.train.method import Context, get_options, is_multimodal
from gaslamp.train.methods import vision_sft
from gaslamp.train.mlx import checkpoints as mlx_models
from gaslamp.train.mlx import vision as mlx_vision
from gaslamp.train.mlx.objectives import Objective, count_tokens, get_objective
from gaslamp.train.oom import OutOfMemory, is_out_of_memory
from gaslamp.train.run import Plan, Result, refuse_nan
from gaslamp.train.trl.engine import Watcher, check_rules, get_epochs

KEPT = 2  # checkpoints
STATE_FILES = ("adapters.safetensors", "optimizer.safetensors", "state.json")


class Stop(Exception):
    """Leaves mlx-lm's loop between two steps."""


def train_with_mlx(plan: Plan, events: Events, dtype: str, decisions: dict[str, str]) -> Result:
    """Train ``plan`` with mlx-lm and return what happened.

    Args:
        plan: data, settings and folders.
        events: where every value goes.
        dtype: of the base weights that are not quantized.
        decisions: automatic choices so far, with their reasons.

    Raises:
        OutOfMemory: the allocator refused.
        Interrupted: a signal, after a checkpoint was saved.
        GaslampError: a loss that is no number, or rows and settings that break a rule.
    """
    import mlx.core as mx

    train = plan.settings.train
    mx.random.seed(train.seed)
    mx.reset_peak_memory()
    model, modules, held = load_adapted(plan, dtype, decisions)
    epochs, reason = get_epochs(plan)
    watcher = Watcher(plan, events)
    context = Context.from_plan(plan, model, watcher.emit, {**decisions, "epochs": reason})
    objective = get_objective(context)
    rows = objective.encode(plan.train)
    if not rows:
        raise GaslampError(
            f"no training row is left: every one is longer than train.max_length = {train.max_length} tokens",
            "raise train.max_length; data/card.json tells how long the rows are",
        )
    plan.lengths = [count_tokens(row) for row in rows]
    steps = train.max_steps or math.ceil(
        math.ceil(len(rows) / (train.batch_size * train.gradient_accumulation)) * epochs
    )
    check_rules(plan, steps)
    run = Run(plan, events, watcher, model, objective, rows, objective.encode(plan.valid), steps)
    if plan.resume:
        run.restore(plan.resume)
    try:
        probe = run.probe()
        watcher.emit_start(epochs, run.step, held, probe)
        run.train()
    except BaseException as error:
        events.write("end", status="error", step=run.step, reason=f"{type(error).__name__}: {error}"[:500])
        if not is_out_of_memory(error):
            raise
        where = f"at step {run.step + 1}" if run.step else "for the first step"
        raise OutOfMemory(
            f"{where}: {train.batch_size} row{'s' if train.batch_size > 1 else ''} of up to {max(plan.lengths)} tokens",
            max(plan.lengths),
        ) from None
    run.end()
    mlx_models.save_peft(run.get_weights(), modules, train.lora, plan.model.source, plan.adapters)
    return Result(
        device=f"mlx {mx.default_device().type.name}",
        dtype=dtype,
        steps=run.step,
        epochs=round(run.step / run.steps_per_epoch, 3),
        peak_memory_gb=max(run.peak_memory_gb, probe["peak_memory_gb"]),
        trainable_parameters=sum(value.size for value in run.get_weights().values()),
        train_rows=len(rows),
        trained_tokens=sum(sum(mask) for row in rows for _, mask in row["rows"]),
        decisions={**context.decisions, "attention": "MLX's fused attention"},
        probe=probe,
    )


def load_adapted(plan: Plan, dtype: str, decisions: dict[str, str]) -> tuple[Any, dict[str, str], dict[str, float]]:
    """The base model of the plan with a fresh adapter, the adapted layers with their names in the checkpoint, and the GB of both."""
    import mlx.core as mx

    train, path, choose = plan.settings.train, plan.model.path, None
    if is_multimodal(plan.settings.method):
        model, names = mlx_vision.load_model(path, dtype, train.quantization)
        options, quantized = get_options(plan.settings.method, train.options), model.language_model
        choose = partial(vision_sft.pick_modules, options=options, wanted=train.lora.target_modules)
    else:
        model, _ = mlx_models.load_model(path, dtype, train.quantization)
        names, quantized = mlx_models.read_module_names(path), model
    if train.quantization != "none":
        decisions["quantization"] = (
            f"{train.quantization}: set by train.quantization; {mlx_models.get_bits(quantized)} bits a weight in memory, scales included"
        )
    base = mx.get_active_memory()
    modules = mlx_models.add_adapter(model, train.lora, names, choose)
    mx.eval(model.parameters())
    return (
        model,
        modules,
        {"base_gb": round(base / 1e9, 3), "adapters_gb": round((mx.get_active_memory() - base) / 1e9, 3)},
    )


def get_schedule(train: Any, steps: int) -> Any:
    """Learning rate at an optimizer step (an array, from 0): up from 0 over warmup_steps, then as ``train.scheduler`` says."""
    import mlx.core as mx

    rate, kind = train.learning_rate, train.scheduler
    warmup = 0 if kind == "constant" else min(train.warmup_steps, max(1, steps // 2))

    def schedule(step: Any) -> Any:
        now = step.astype(mx.float32)
        share = mx.clip((now - warmup) / max(1, steps - warmup), 0, 1)
        factor = {"cosine": 0.5 * (1 + mx.cos(math.pi * share)), "linear": 1 - share}.get(kind, mx.array(1.0))
        return rate * (mx.where(now < warmup, now / warmup, factor) if warmup else factor)

    return schedule


def get_optimizer(train: Any, steps: int) -> Any:
    """AdamW as PyTorch's (mlx's leaves the bias correction out by itself), with the gradient clipped and its length in the state."""
    import mlx.core as mx
    import mlx.optimizers as optim

    class ClippedAdamW(optim.AdamW):  # type: ignore[misc]
        def apply_gradients(self, gradients: Any, parameters: Any) -> Any:
            gradients, norm = optim.clip_grad_norm(gradients, train.max_grad_norm)
            result = super().apply_gradients(gradients, parameters)
            self.state["grad_norm"] = norm
            return result

    optimizer = ClippedAdamW(
        get_schedule(train, steps), betas=[0.9, train.adam_beta2], weight_decay=train.weight_decay, bias_correction=True
    )
    optimizer.state["grad_norm"] = mx.array(0.0)
    return optimizer


class Run:
    """One training: what mlx-lm asks for at each step, and what is told and saved between two."""

    def __init__(
        self,
        plan: Plan,
        events: Events,
        watcher: Watcher,
        model: Any,
        objective: Objective,
        rows: list[Any],
        valid: list[Any],
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
        # What the loss tells beside its value goes out of the compiled step as BatchNorm's averages do: in the model's state.
        self.model.told = mx.zeros(max(1, len(objective.NAMES)))
        self.model.freeze(recurse=False, keys="told")
        watcher.begin(steps)
        self.step_started = time.monotonic()

    # ---------------------------------------------------------------------------------------------------- batches

    def get_loss(self, model: Any, share: Any, count: Any, *batch: Any) -> tuple[Any, Any]:
        """What mlx-lm minimizes: the batch's mean by its share in the step. Its average over the accumulated batches is then
        the mean over the whole step, however the tokens fall. ``count`` weighs the batches of a validation.
        """
        import mlx.core as mx

        loss, told = self.objective.get_loss(model, *batch)
        if told:
            model.told = model.told + mx.stop_gradient(share * mx.stack(told))
        return loss * share * self.train_settings.gradient_accumulation, count

    def get_batch(self, samples: list[Any], share: float) -> tuple[Any, ...]:
        """The arrays of some samples, with their share in a step and their count in front."""
        import mlx.core as mx

        if self.objective.REFERENCE and any("reference" not in sample for sample in samples):
            self.add_reference(samples)
        return (mx.array(share), mx.array(self.objective.count(samples)), *self.objective.collate(samples))

    def add_reference(self, samples: list[Any]) -> None:
        """Log likelihood of each row under the model without its adapter, computed once for a sample."""
        import mlx.core as mx

        from gaslamp.train.mlx.objectives import get_logps, pad

        with without_adapter(self.model):
            for n in range(len(samples[0]["rows"])):
                ids, mask = pad([sample["rows"][n] for sample in samples])
                for sample, value in zip(
                    samples, get_logps(self.model, mx.array(ids), mx.array(mask))[0].sum(1).tolist(), strict=True
                ):
                    sample.setdefault("reference", [])[n:] = [value]

    def iterate_batches(self, dataset: Any, batch_size: int, *_: Any, **__: Any) -> Iterator[tuple[Any, ...]]:
        """The batches of the training from the step on at which it stands, without an end; every step has as many."""
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
            missing = train.gradient_accumulation - len(batches)  # the last step of a pass
            for batch, share in zip(batches + batches[:1] * missing, shares + [0.0] * missing, strict=True):
                self.tokens += sum(map(count_tokens, batch)) if share else 0
                yield self.get_batch(batch, share)
            number += 1

    def iterate_valid(self, dataset: Any, batch_size: int, *_: Any, **__: Any) -> Iterator[tuple[Any, ...]]:
        """The validation rows once, in their order."""
        for start in range(0, len(dataset), batch_size):
            yield self.get_batch(dataset[start : start + batch_size], 1 / self.train_settings.gradient_accumulation)

    # ----------------------------------------------------------------------------------------------------- training

    def probe(self) -> dict[str, float]:
        """Forward and backward on the longest rows before anything else: too little memory shows now. Changes nothing."""
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
            raise refuse_nan(0, value, "before the first step")
        return {
            "tokens": float(batch[2].size),
            "seconds": round(time.monotonic() - started, 3),
            "peak_memory_gb": get_memory_gb(),
        }

    def train(self) -> None:
        """All steps that are left, with a validation before the first, in the middle and at the end."""
        from mlx_lm.tuner.callbacks import TrainingCallback
        from mlx_lm.tuner.trainer import TrainingArgs, train

        run, settings = self, self.train_settings

        class Callback(TrainingCallback):  # type: ignore[misc]
            def on_train_loss_report(self, train_info: dict[str, Any]) -> None:
                run.on_step(train_info)

            def on_val_loss_report(self, val_info: dict[str, Any]) -> None:
                run.events.write("eval", step=val_info["iteration"], valid_loss=float(val_info["val_loss"]))

        self.callback, self.first = Callback(), self.step
        if not self.step:
            self.validate()
        if self.step >= self.steps:
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
            with self.watcher.signals():
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

    def on_step(self, info: dict[str, Any]) -> None:
        """After every optimizer step: tell it, validate, save, stop."""
        seconds = time.monotonic() - self.step_started
        before, self.step = self.step, self.first + info["iteration"] // self.train_settings.gradient_accumulation
        assert self.step == before + 1, "mlx-lm reports once for each optimizer step"
        self.watcher.step = self.step
        self.peak_memory_gb = max(self.peak_memory_gb, float(info["peak_memory"]), get_memory_gb())
        loss = float(info["train_loss"])
        told = {name: round(value, 6) for name, value in self.objective.finish(self.take_reported()).items()}
        self.events.write(
            "step",
            step=self.step,
            loss=loss,
            learning_rate=float(info["learning_rate"]),
            grad_norm=float(self.optimizer.state["grad_norm"].item()),
            epoch=round(self.step / self.steps_per_epoch, 4),
            seconds=round(seconds, 4),
            tokens=self.tokens,
            memory_gb=round(self.peak_memory_gb, 3),
            **told,
        )
        self.tokens = 0
        if not math.isfinite(loss):
            self.nan = loss
            raise Stop
        self.watcher.progress.update(self.step, f"loss {loss:.3f}")
        if self.step in (math.ceil(self.steps / 2), self.steps):
            self.validate()
        self.decide()
        self.step_started = time.monotonic()

    def validate(self) -> None:
        """The real loss of the validation rows, by mlx-lm's own function, told through its callback."""
        from mlx_lm.tuner.trainer import evaluate

        if not self.valid:
            return
        started = time.monotonic()
        loss = evaluate(
            self.model,
            self.valid,
            self.train_settings.batch_size * 2,
            -1,
            self.train_settings.max_length,
            self.get_loss,
            self.iterate_valid,
        )
        self.model.train()
        self.take_reported()
        self.callback.on_val_loss_report(
            {"iteration": self.step, "val_loss": loss, "val_time": time.monotonic() - started}
        )

    def take_reported(self) -> list[float]:
        """What the losses told since the last time."""
        import mlx.core as mx

        values: list[float] = self.model.told.tolist()
        self.model.told = mx.zeros_like(self.model.told)
        return values[: len(self.objective.NAMES)]

    # -------------------------------------------------------------------------------------------------- checkpoints

    def decide(self) -> None:
        """A checkpoint when it is time or asked for; an end when somebody wants it."""
        train, watcher = self.train_settings, self.watcher
        if watcher.owner_gone():
            watcher.stop_reason = watcher.stop_reason or "the Snakemake that started it is gone"
        asked = self.plan.save_request.exists()
        self.plan.save_request.unlink(missing_ok=True)
        due = time.monotonic() - watcher.last_save >= train.save_minutes * 60 or (
            train.save_steps and self.step % train.save_steps == 0
        )
        if due or asked or watcher.stop_reason or self.step == self.steps:
            self.save()
        if watcher.stop_reason and self.step < self.steps:
            raise Stop

    def get_weights(self) -> dict[str, Any]:
        """The adapter by MLX's names."""
        from mlx.utils import tree_flatten

        return dict(tree_flatten(self.model.trainable_parameters()))

    def save(self) -> None:
        """A complete checkpoint under its name at once, and the oldest one gone."""
        import mlx.core as mx
        from mlx.utils import tree_flatten

        folder = self.plan.checkpoints / f"checkpoint-{self.step}"
        unfinished = self.plan.checkpoints / f".checkpoint-{self.step}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        mx.save_safetensors(str(unfinished / "adapters.safetensors"), self.get_weights())
        state = dict(tree_flatten(self.optimizer.state))
        mx.save_safetensors(str(unfinished / "optimizer.safetensors"), state)
        write_json(unfinished / "state.json", {"global_step": self.step, "random": get_random_state()})
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unfinished, folder)
        self.watcher.last_save, self.watcher.saved = time.monotonic(), self.step
        self.events.write("save", step=self.step)
        for old in sorted(self.plan.checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))[
            :-KEPT
        ]:
            shutil.rmtree(old)

    def restore(self, checkpoint: Path) -> None:
        """Adapter, optimizer, random numbers and step as they were saved."""
        import mlx.core as mx
        from mlx.utils import tree_unflatten

        self.model.load_weights(list(mx.load(str(checkpoint / "adapters.safetensors")).items()), strict=False)
        state = mx.load(str(checkpoint / "optimizer.safetensors"))
        if state:
            self.optimizer.state = tree_unflatten(list(state.items()))
        saved = read_json(checkpoint / "state.json")
        mx.random.seed(saved["random"])
        self.step = int(saved["global_step"])

    def end(self) -> None:
        """Tell how it ended. Raises for every end that is not the last step."""
        step = self.step
        if self.nan is not None:
            self.events.write("end", status="error", step=step, reason=f"loss became {self.nan}")
            raise refuse_nan(
                step,
                self.nan,
                f"checkpoint-{self.watcher.saved} is kept" if self.watcher.saved else "no checkpoint was saved yet",
            )
        if step < self.steps:
            reason = self.watcher.stop_reason or "mlx-lm ended early"
            self.events.write("end", status="interrupted", step=step, reason=reason)
            raise Interrupted(
                f"training stopped at step {step} of {self.steps} ({reason}); checkpoint-{step} is saved",
                "run the same command: it goes on from there",
            )
        self.events.write("end", status="completed", step=step, reason="")


@contextmanager
def without_adapter(model: Any) -> Iterator[None]:
    """The model as it was before its adapter."""
    layers = [module for _, module in model.named_modules() if hasattr(module, "lora_a")]
    scales = [layer.scale for layer in layers]
    try:
        for layer in layers:
            layer.scale = 0.0
        yield
    finally:
        for layer, scale in zip(layers, scales, strict=True):
            layer.scale = scale


def check_checkpoint(checkpoint: Path) -> str | None:
    """What makes a checkpoint unusable, or ``None``: files, readable tensors, and the step it records."""
    from safetensors import SafetensorError, safe_open

    missing = [name for name in STATE_FILES if not (checkpoint / name).is_file()]
    if missing:
        return f"no {', '.join(missing)}"
    try:
        for name in STATE_FILES[:2]:
            with safe_open(checkpoint / name, framework="np") as tensors:
                if not list(tensors.keys()):
                    return f"no tensors in {name}"
        step = read_json(checkpoint / "state.json")["global_step"]
    except (SafetensorError, ValueError, KeyError, GaslampError) as error:
        return f"unreadable: {error}"
    return None if checkpoint.name == f"checkpoint-{step}" else f"it records step {step}"


def get_random_state() -> int:
    """The key of MLX's random numbers as one number, which ``mx.random.seed`` takes: its state cannot be written."""
    import mlx.core as mx

    high, low = mx.random.state[0].tolist()
    return (int(high) << 32) + int(low)


def get_memory_gb() -> float:
    """Peak of what MLX held, in GB: unified memory on a Mac."""
    import mlx.core as mx

    return round(float(mx.get_peak_memory()) / 1e9, 3)

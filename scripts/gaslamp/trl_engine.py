"""The TRL + PEFT engine behind the cpu backend: loads, probes, trains, saves, and tells the events."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path
from typing import Any

from gaslamp import registry
from gaslamp.console import Progress, say
from gaslamp.errors import GaslampError, Interrupted
from gaslamp.events import Events
from gaslamp.sampling import LengthSampler
from gaslamp.template import Encoded
from gaslamp.training import Plan, Result, refuse_nan
from gaslamp.workflow_state import find_owner

ROWS_SEEN = 400  # what a small model needs of a narrow task, when train.epochs leaves it open


def train_with_trl(plan: Plan, events: Events, device_arguments: dict[str, Any], dtype: str, decisions: dict[str, str]) -> Result:
    """Train ``plan`` with the trainer of its method and return what happened.

    Args:
        plan: data, settings and folders.
        events: where every logged value goes.
        device_arguments: what the backend adds to the trainer's arguments (use_cpu, bf16 ...).
        dtype: of the base weights while training.
        decisions: automatic choices so far, with their reasons; recorded in train.json.
    """
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    from gaslamp.models import load_model, load_tokenizer

    train = plan.settings.train
    method = registry.get("methods", plan.settings.method)
    set_seed(train.seed)
    model = load_model(plan.model.path, dtype)
    model.config.use_cache = False
    lora = train.lora
    model = get_peft_model(
        model,
        LoraConfig(r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.target_modules, bias="none", task_type="CAUSAL_LM"),
    )
    model.peft_config["default"].base_model_name_or_path = plan.model.source  # not a path of this machine
    tokenizer = load_tokenizer(plan.model.path)
    tokenizer.pad_token, tokenizer.eos_token = plan.template.pad_token, plan.template.eos_token
    probe = probe_longest(model, plan.train, train.batch_size, plan.template.pad_id)
    say(f"probe step on the {train.batch_size} longest rows ({probe['tokens']:.0f} tokens): {probe['seconds']:.1f} s")

    epochs = train.epochs or min(5, max(1, math.ceil(ROWS_SEEN / len(plan.train))))
    decisions = {**decisions, "epochs": f"{epochs:g}: " + ("set in config.yaml" if train.epochs else f"until {ROWS_SEEN} rows were seen, 5 at most")}
    steps = train.max_steps or math.ceil(
        math.ceil(len(plan.train) / (train.batch_size * train.gradient_accumulation)) * epochs
    )
    arguments = {
        "output_dir": str(plan.checkpoints),
        "per_device_train_batch_size": train.batch_size,
        "per_device_eval_batch_size": train.batch_size * 2,
        "gradient_accumulation_steps": train.gradient_accumulation,
        "max_steps": steps,
        "learning_rate": train.learning_rate,
        "lr_scheduler_type": train.scheduler,
        "warmup_steps": min(train.warmup_steps, max(1, steps // 2)),
        "adam_beta2": train.adam_beta2,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "gradient_checkpointing": train.gradient_checkpointing,
        "optim": "adamw_torch",
        "seed": train.seed,
        "data_seed": train.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a NaN must be seen, not averaged away
        "save_strategy": "steps" if train.save_steps else "no",
        "save_steps": train.save_steps or steps,
        "save_total_limit": 2,
        "eval_strategy": "steps" if plan.valid else "no",
        "eval_steps": max(1, math.ceil(steps / 2)),  # with the one before the first step: start, middle, end
        "prediction_loss_only": True,
        "max_length": None,  # rows are tokens already, and none is too long
        "packing": False,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        **device_arguments,
    }
    watcher = Watcher(plan, events, steps)
    trainer = method.get_trainer(model, tokenizer, _to_dataset(plan.train, Dataset), _to_dataset(plan.valid, Dataset), arguments, [watcher.get_callback()])
    sampler = LengthSampler([len(row.ids) for row in plan.train], train.batch_size * train.gradient_accumulation, train.seed)
    trainer._get_train_sampler = lambda dataset=None: sampler
    resumed = int(plan.resume.name.split("-")[1]) if plan.resume else 0
    events.write(
        "start", backend=plan.settings.backend, method=plan.settings.method, max_steps=steps, rows=len(plan.train),
        epochs=epochs, resumed_from=resumed, pid=os.getpid(), settings=plan.settings.dump()["train"], parameters=plan.model.parameters,
    )  # fmt: skip
    if resumed:
        say(f"going on from checkpoint {resumed} of {steps}")
    elif plan.valid:
        trainer.evaluate()
    try:
        with watcher.signals():
            trainer.train(resume_from_checkpoint=str(plan.resume) if plan.resume else None)
    except BaseException as error:
        events.write("end", status="error", step=trainer.state.global_step, reason=f"{type(error).__name__}: {error}"[:500])
        raise
    done = trainer.state.global_step
    if watcher.nan is not None:
        events.write("end", status="error", step=done, reason=f"loss became {watcher.nan}")
        kept = f"checkpoint-{watcher.saved} is kept" if watcher.saved else "no checkpoint was saved yet"
        raise refuse_nan(done, watcher.nan, kept)
    if watcher.stop_reason and done < steps:
        events.write("end", status="interrupted", step=done, reason=watcher.stop_reason)
        raise Interrupted(
            f"training stopped at step {done} of {steps} ({watcher.stop_reason}); checkpoint-{done} is saved",
            "run the same command: it goes on from there",
        )
    events.write("end", status="completed", step=done, reason="")
    plan.adapters.mkdir(parents=True, exist_ok=True)
    trainer.model.save_pretrained(plan.adapters)
    (plan.adapters / "README.md").unlink(missing_ok=True)  # an empty model card
    return Result(
        device=str(model.device.type),
        dtype=dtype,
        steps=done,
        epochs=round(trainer.state.epoch or 0.0, 3),
        peak_memory_gb=max(watcher.peak_memory_gb, probe["peak_memory_gb"]),
        trainable_parameters=sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        decisions={**decisions, "attention": "sdpa: PyTorch's fused attention"},
        probe=probe,
    )


def _to_dataset(rows: list[Encoded], dataset: Any) -> Any:
    if not rows:
        return None
    return dataset.from_dict({"input_ids": [row.ids for row in rows], "labels": [row.labels for row in rows]})


def probe_longest(model: Any, rows: list[Encoded], batch_size: int, pad_id: int) -> dict[str, float]:
    """Forward and backward on the longest rows before anything else: too little memory shows now, not at step N.

    Returns:
        tokens (batch x longest row), seconds, peak_memory_gb.

    Raises:
        GaslampError: out of memory, or a loss that is no number.
    """
    import torch

    longest = sorted(rows, key=lambda row: len(row.ids), reverse=True)[:batch_size]
    width = len(longest[0].ids)
    ids = torch.tensor([row.ids + [pad_id] * (width - len(row.ids)) for row in longest], device=model.device)
    labels = torch.tensor([row.labels + [-100] * (width - len(row.ids)) for row in longest], device=model.device)
    mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in longest], device=model.device)
    started = time.monotonic()
    model.train()
    try:
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
    except (RuntimeError, MemoryError) as error:
        if "memory" not in str(error).lower():
            raise
        raise GaslampError(
            f"not enough memory for {len(longest)} rows of {width} tokens",
            "set train.gradient_checkpointing: true, then train.batch_size: 1 with more gradient_accumulation",
            "shorten train.max_length, or take a smaller model",
        ) from error
    model.zero_grad(set_to_none=True)
    if not math.isfinite(loss.item()):
        raise refuse_nan(0, loss.item(), "before the first step")
    return {"tokens": float(ids.numel()), "seconds": round(time.monotonic() - started, 3), "peak_memory_gb": get_memory_gb()}


def get_memory_gb() -> float:
    """Peak resident memory of this process in GB."""
    import resource
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 3)


class Watcher:
    """Between the trainer and the world: events, progress lines, checkpoints by time, and every reason to stop."""

    def __init__(self, plan: Plan, events: Events, steps: int) -> None:
        self.plan, self.events, self.steps = plan, events, steps
        self.stop_reason: str | None = None
        self.nan: float | None = None
        self.saved = 0
        self.peak_memory_gb = 0.0
        self.last_save = self.step_started = time.monotonic()
        self.step_seconds = 0.0
        self.tokens_before = 0.0
        self.progress = Progress("step", steps)
        self.owner_gone = find_owner(Path.cwd())

    def signals(self) -> Any:
        """Ctrl-C and SIGTERM ask for a stop after the running step; the second one ends at once."""
        from contextlib import contextmanager

        def ask(number: int, frame: Any) -> None:
            if self.stop_reason:
                raise KeyboardInterrupt
            self.stop_reason = signal.Signals(number).name
            say("stopping after this step, saving a checkpoint (once more: stop at once)")

        @contextmanager
        def installed() -> Any:
            before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        return installed()

    def get_callback(self) -> Any:
        """The TrainerCallback; a class inside a function because transformers is imported late."""
        from transformers import TrainerCallback

        watcher = self

        class Callback(TrainerCallback):  # type: ignore[misc]
            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watcher.step_started = time.monotonic()

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watcher.step_seconds = time.monotonic() - watcher.step_started
                watcher._decide(state, control)

            def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watcher.last_save, watcher.saved = time.monotonic(), state.global_step
                watcher.events.write("save", step=state.global_step)

            def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
                watcher._log(state, control, logs)

        return Callback()

    def _decide(self, state: Any, control: Any) -> None:
        if self.owner_gone():
            self.stop_reason = self.stop_reason or "the Snakemake that started it is gone"
        due = time.monotonic() - self.last_save >= self.plan.settings.train.save_minutes * 60
        asked = self.plan.save_request.exists()
        if asked:
            self.plan.save_request.unlink(missing_ok=True)
        if self.stop_reason:
            control.should_training_stop = True
        if (due or asked or self.stop_reason) and state.global_step < self.steps:
            control.should_save = True

    def _log(self, state: Any, control: Any, logs: dict[str, Any]) -> None:
        self.peak_memory_gb = max(self.peak_memory_gb, get_memory_gb())
        if "eval_loss" in logs:
            self.events.write("eval", step=state.global_step, valid_loss=float(logs["eval_loss"]))
        if "loss" not in logs:
            return
        loss = float(logs["loss"])
        seen = float(logs.get("num_tokens", 0.0))
        tokens, self.tokens_before = max(0.0, seen - self.tokens_before), seen
        self.events.write(
            "step",
            step=state.global_step,
            loss=loss,
            learning_rate=float(logs.get("learning_rate", 0.0)),
            grad_norm=float(logs.get("grad_norm", 0.0)),
            epoch=round(state.epoch or 0.0, 4),
            seconds=round(self.step_seconds, 4),
            tokens=round(tokens),
            memory_gb=self.peak_memory_gb,
            token_accuracy=logs.get("mean_token_accuracy"),
        )
        if not math.isfinite(loss):
            self.nan = loss
            control.should_training_stop = True
            control.should_save = False
        self.progress.update(state.global_step, f"loss {loss:.3f}")

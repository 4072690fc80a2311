"""The TRL + PEFT engine behind the cpu backend: loads, probes, trains, saves, and tells the events.

It knows no method: what is trained, on which rows and with which loss, the plug-in in methods/ says.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gaslamp.core.console import Progress, say
from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.core.events import Events
from gaslamp.core.files import read_json, write_json
from gaslamp.core.processes import agree, get_count, is_first
from gaslamp.core.workflow_state import find_owner
from gaslamp.environment.gpu_memory import CONTEXT_GB, get_gpu_need
from gaslamp.environment.memory_estimate import get_memory_need, read_shape
from gaslamp.train.autotune import fit_batch
from gaslamp.train.method import Context, get_method
from gaslamp.train.oom import OutOfMemory, is_out_of_memory
from gaslamp.train.rules import Run, find_broken_rules
from gaslamp.train.run import Plan, Result, change_settings, refuse_nan
from gaslamp.train.sampler import LengthSampler

ROWS_SEEN = 400  # what a small model needs of a narrow task, when train.epochs leaves it open
# What a trainer logs beside the values of a step, or that has a name of its own in the events.
NOT_PASSED = ("loss", "learning_rate", "grad_norm", "epoch", "num_tokens", "mean_token_accuracy", "total_flos")


def train_with_trl(
    plan: Plan,
    events: Events,
    device_arguments: dict[str, Any],
    dtype: str,
    decisions: dict[str, str],
    load: Any = None,
) -> Result:
    """Train ``plan`` with the trainer of its method and return what happened.

    Args:
        plan: data, settings and folders.
        events: where every logged value goes.
        device_arguments: what the backend adds to the trainer's arguments (use_cpu, bf16 ...).
        dtype: of the base weights while training.
        decisions: automatic choices so far, with their reasons; recorded in train.json.
        load: the backend's own ``load(plan, dtype) -> (model, peft_config)``; a model that carries its adapter already
            comes with ``None``.

    Raises:
        OutOfMemory: the allocator refused, before the first step or later.
        Interrupted: a signal, after a checkpoint was saved.
        GaslampError: a loss that is no number, or rows and settings that break a rule.
    """
    with extra_trackers(plan):
        return _train(plan, events, device_arguments, dtype, decisions, load)


def _train(
    plan: Plan, events: Events, device_arguments: dict[str, Any], dtype: str, decisions: dict[str, str], load: Any
) -> Result:
    import torch
    from transformers import set_seed

    from gaslamp.models.loading import load_model

    if torch.cuda.is_initialized():  # what an attempt that ran out of memory left in the allocator's cache
        torch.cuda.empty_cache()
    train = plan.settings.train
    method = get_method(plan.settings.method)
    set_seed(train.seed)
    if load:
        model, peft_config = load(plan, dtype)
    else:
        model, peft_config = getattr(method, "load_model", load_model)(plan.model.path, dtype), get_peft_config(train)
    base_gb = get_memory_gb()
    if hasattr(model, "config"):
        model.config.use_cache = False
    epochs, reason = get_epochs(plan)
    watcher = Watcher(plan, events)
    context = Context.from_plan(
        plan,
        model,
        watcher.emit,
        {**decisions, "epochs": reason},
        arguments=get_arguments(plan, epochs) | device_arguments,
        callbacks=[watcher.get_callback()],
        peft_config=peft_config,
    )
    context.tokenizer.chat_template = plan.template.chat_template
    trainer = method.get_trainer(context)
    held = {"base_gb": base_gb, "adapters_gb": round(get_memory_gb() - base_gb, 3)}  # for the gauge of the dashboard
    if hasattr(trainer.model, "peft_config"):
        trainer.model.peft_config["default"].base_model_name_or_path = plan.model.source  # not a path of this machine
    columns = set(trainer.train_dataset.column_names)
    plan.lengths = get_lengths(trainer.train_dataset, columns)
    use_length_sampler(trainer, plan.lengths, train)
    steps = set_steps(trainer, train)
    watcher.begin(steps)
    check_rules(plan, steps)
    resumed = int(plan.resume.name.split("-")[1]) if plan.resume else 0
    restore_counters(trainer, watcher, plan.resume, resumed)
    try:
        if plan.choice and plan.choice.sizes:
            probe = fit_rows(plan, trainer, events, context.decisions)
            train = plan.settings.train
        else:
            probe = probe_longest(trainer, plan.lengths, getattr(method, "get_probe_batch", None))
        if probe:
            probe["estimated_gb"] = get_estimate(plan, method, int(probe["tokens"]))
        watcher.emit_start(
            epochs,
            resumed,
            held,
            probe,
            {name: context.decisions[name] for name in train.choose if name in context.decisions},
        )
        if not resumed and trainer.eval_dataset is not None:
            trainer.evaluate()
            forget_preparation(trainer)
        name_processor(trainer)
        with watcher.signals():
            trainer.train(resume_from_checkpoint=str(plan.resume) if plan.resume else None)
    except BaseException as error:
        memory_ran_out = is_out_of_memory(error)
        events.write(
            "end", status="error", step=trainer.state.global_step, reason=f"{type(error).__name__}: {error}"[:500]
        )
        if not memory_ran_out:
            raise
        where = f"at step {trainer.state.global_step + 1}" if trainer.state.global_step else "for the first step"
        size, tokens = trainer.args.per_device_train_batch_size, max(plan.lengths, default=0)
    else:
        memory_ran_out = False
    if memory_ran_out:  # outside of except, whose error holds the tensors of the step
        trainer.model.zero_grad(set_to_none=True)
        raise OutOfMemory(f"{where}: {size} row{'s' if size > 1 else ''} of up to {tokens} tokens", tokens)
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
    if is_first():
        plan.adapters.mkdir(parents=True, exist_ok=True)
        getattr(method, "save", save)(trainer, plan.adapters)
        (plan.adapters / "README.md").unlink(missing_ok=True)  # an empty model card
    return Result(
        device=str(trainer.args.device.type),
        dtype=dtype,
        steps=done,
        epochs=round(trainer.state.epoch or 0.0, 3),
        peak_memory_gb=max(watcher.peak_memory_gb, probe.get("peak_memory_gb", 0.0)),
        trainable_parameters=sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        train_rows=sum(len(found) for found in trainer.train_dataset["seq_lengths"])
        if "seq_lengths" in columns
        else len(trainer.train_dataset),
        trained_tokens=count_trained(trainer.train_dataset, columns),
        decisions={"attention": "sdpa: PyTorch's fused attention", **context.decisions},
        probe=probe,
    )


def get_epochs(plan: Plan) -> tuple[float, str]:
    """Passes over the rows, and what decided it, for train.json."""
    train = plan.settings.train
    epochs = train.epochs or min(5, max(1, math.ceil(ROWS_SEEN / len(plan.train))))
    reason = (
        f"config or preset of {plan.settings.method}"
        if train.epochs
        else f"until {ROWS_SEEN} rows were seen, 5 at most"
    )
    return epochs, "as many as max_steps takes" if train.max_steps else f"{epochs:g}: {reason}"


def check_rules(plan: Plan, steps: int) -> None:
    """The rules that only now can be told: rows and steps are counted. Warnings are said, the rest stops."""
    run = Run(plan.settings, parameters=plan.model.parameters, rows=len(plan.train), steps=steps)
    broken = find_broken_rules(run)
    for rule in broken:
        if not rule.blocking:
            say(f"warning: {rule.text}; {rule.fix}")
    if blocking := [rule for rule in broken if rule.blocking]:
        raise GaslampError("; ".join(rule.text for rule in blocking), "; ".join(rule.fix for rule in blocking))


def forget_preparation(trainer: Any) -> None:
    """With several processes: accelerate holds a model that was prepared for an evaluation as ready, and each process would then
    train a model of its own, their gradients never added.
    """
    if get_count() > 1:
        trainer.accelerator._models.clear()
        trainer.model._is_accelerate_prepared = False


def name_processor(trainer: Any) -> None:
    """With several processes on a processor accelerate calls it cpu:0, and torch restores no optimizer to a place of that name."""
    import torch

    if get_count() > 1 and trainer.args.device.type == "cpu":
        trainer.args.__dict__["_setup_devices"] = torch.device("cpu")


def restore_counters(trainer: Any, watcher: Watcher, resume: Path | None, step: int) -> None:
    """TRL counts trained tokens and passes from 0 after a resume: go on with the tokens that the checkpoint logged last, and where
    completions serve several steps (num_iterations) at the place where they would have been drawn anew.
    """
    if resume is None:
        return
    history = read_json(resume / "trainer_state.json")["log_history"]
    tokens = next((entry["num_tokens"] for entry in reversed(history) if "num_tokens" in entry), 0)
    watcher.tokens_before = float(tokens)
    if hasattr(trainer, "_total_train_tokens"):
        trainer._total_train_tokens = tokens
    if hasattr(trainer, "_step"):
        trainer._step = step * trainer.args.gradient_accumulation_steps


@contextmanager
def extra_trackers(plan: Plan) -> Iterator[None]:
    """Where trackers keep their files unless the person said so: beside the metrics of this run, on this machine."""
    folder = (plan.metrics.parent / "trackers").absolute()
    named = plan.settings.train.report_to
    places = {
        "TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",  # MLflow refuses its old store of plain files
        "MLFLOW_EXPERIMENT_NAME": "gaslamp",
        "TRACKIO_DIR": str(folder / "trackio"),
        "WANDB_DIR": str(folder),
        "WANDB_PROJECT": "gaslamp",
    }
    if "wandb" in named and not has_wandb_key():
        places["WANDB_MODE"] = "offline"
        if "WANDB_MODE" not in os.environ:
            say(
                f"wandb: no key, so the run stays on this machine; `wandb login`, then `wandb sync {folder / 'wandb'}/offline-run-*` sends it"
            )
    ours = {name: place for name, place in places.items() if named and name not in os.environ}
    if ours:
        folder.mkdir(parents=True, exist_ok=True)
    os.environ |= ours
    try:
        yield
    finally:
        for name, end in (("mlflow", "end_run"), ("wandb", "finish")):  # also of a training that was stopped
            if name in named and name in sys.modules:
                getattr(sys.modules[name], end)()
        for name in ours:
            del os.environ[name]


def has_wandb_key() -> bool:
    """Whether Weights & Biases would find a key: in the environment, or where `wandb login` writes it."""
    files = [Path(os.environ.get("NETRC", "~/.netrc")).expanduser(), Path("~/_netrc").expanduser()]
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").partition("//")[2].partition("/")[0]
    return bool(os.environ.get("WANDB_API_KEY")) or any(
        host in file.read_text(encoding="utf-8") for file in files if file.is_file()
    )


def save(trainer: Any, folder: Path) -> None:
    """The trained adapter in PEFT layout, or the whole model in Hugging Face layout; a method may bring its own."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    # a trainer may keep the untrained adapter beside it, as its reference
    model.save_pretrained(folder, **({"selected_adapters": ["default"]} if hasattr(model, "peft_config") else {}))


def get_peft_config(train: Any) -> Any:
    """LoraConfig of the settings, or ``None`` for full fine-tuning."""
    from peft import LoraConfig

    if train.adapter == "none":
        return None
    lora = train.lora
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        bias="none",
        task_type="CAUSAL_LM",
    )


def get_arguments(plan: Plan, epochs: float) -> dict[str, Any]:
    """What the config class of every trainer takes (transformers' TrainingArguments); the number of steps is set when the trainer knows its rows."""
    train = plan.settings.train
    return {
        "output_dir": str(plan.checkpoints),
        "per_device_train_batch_size": train.batch_size,
        "per_device_eval_batch_size": train.batch_size * 2,
        "gradient_accumulation_steps": train.gradient_accumulation,
        "max_steps": train.max_steps or -1,
        "num_train_epochs": epochs,
        "learning_rate": train.learning_rate,
        "lr_scheduler_type": train.scheduler,
        "warmup_steps": train.warmup_steps,
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
        "save_steps": train.save_steps or 1_000_000_000,
        "save_total_limit": 2,
        "eval_strategy": "steps" if plan.valid else "no",
        "eval_steps": 1_000_000_000,  # set_steps puts the real number
        "prediction_loss_only": True,
        "report_to": train.report_to or "none",
        "project": "gaslamp",
        "run_name": plan.metrics.parent.name,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def set_steps(trainer: Any, train: Any) -> int:
    """Optimizer steps of the whole training, and what depends on them; returns the number."""
    args = trainer.args
    steps = train.max_steps
    if not steps:
        with kept_random_state():
            batches = len(trainer.get_train_dataloader())
        steps = math.ceil(math.ceil(batches / args.gradient_accumulation_steps) * args.num_train_epochs)
    args.max_steps = steps
    args.warmup_steps = min(args.warmup_steps, max(1, steps // 2))
    args.eval_steps = max(1, math.ceil(steps / 2))  # with the one before the first step: start, middle, end
    args.save_steps = train.save_steps or steps
    return int(steps)


def get_lengths(dataset: Any, columns: set[str]) -> list[int]:
    """Tokens of each row, all its sequences together; zeros where a collator makes the tokens later."""
    names = ["input_ids"] if "input_ids" in columns else sorted(name for name in columns if name.endswith("_ids"))
    lengths = [0] * len(dataset)
    for name in names:
        lengths = [length + len(ids or ()) for length, ids in zip(lengths, dataset[name], strict=True)]
    return lengths


def count_trained(dataset: Any, columns: set[str]) -> int:
    """Tokens of a data set that carry loss."""
    labelled = columns & {"labels", "chosen_labels", "rejected_labels"}
    if labelled:
        return sum(label != -100 for name in labelled for labels in dataset[name] for label in labels)
    names = columns & {"chosen_ids", "rejected_ids", "completion_ids"}
    return sum(len(ids) for name in names for ids in dataset[name])


def use_length_sampler(trainer: Any, lengths: list[int], train: Any) -> None:
    """Rows of like length together, the same after a resume; a trainer with a sampler of its own keeps it."""
    from transformers import Trainer

    if type(trainer)._get_train_sampler is Trainer._get_train_sampler:
        sampler = LengthSampler(lengths, train.batch_size * train.gradient_accumulation * get_count(), train.seed)
        trainer._get_train_sampler = lambda dataset=None: sampler


@contextmanager
def kept_random_state() -> Iterator[None]:
    """What happens inside draws no random number that the training would have drawn."""
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
def kept_counters(trainer: Any) -> Iterator[None]:
    """What happens inside is not in the first values that TRL's trainer logs."""
    names = [name for name in ("_metrics", "_stored_metrics") if hasattr(trainer, name)]
    tokens = getattr(trainer, "_total_train_tokens", None)
    try:
        yield
    finally:
        for name in names:
            for values in getattr(trainer, name).values():
                values.clear()
        if tokens is not None:
            trainer._total_train_tokens = tokens


def get_estimate(plan: Plan, method: Any, tokens: int) -> float:
    """GB that the formulas say for a step: of the GPU where one computes, of the main memory elsewhere."""
    import torch

    train, shape = plan.settings.train, read_shape(Path(plan.model.path))
    if plan.settings.backend == "cuda" and torch.cuda.is_initialized():
        return round(sum(get_gpu_need(shape, train, tokens, method, plan.settings.method).values()), 2)
    return round(sum(get_memory_need(shape, train, False, method).values()), 2)


def fit_rows(plan: Plan, trainer: Any, events: Events, decisions: dict[str, str]) -> dict[str, float]:
    """Correct the chosen rows of a pass by measured steps, the rows of a step kept; returns the probe of the size that was taken.

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
    rows = args.per_device_train_batch_size * args.gradient_accumulation_steps
    room = choice.room_gb - CONTEXT_GB
    fit = fit_batch(measure, choice.sizes, args.per_device_train_batch_size, begin_measuring(), room)
    begin_measuring()  # the last try may have been a larger one
    if fit is None:
        raise MemoryError("not even one row fits")
    changes = {"batch_size": fit.size, "gradient_accumulation": rows // fit.size}
    set_batch(trainer, **changes)
    plan.settings = change_settings(plan.settings, changes)
    decisions["batch_size"] = f"{fit.size}: {fit.reason}; calculated: {decisions['batch_size']}"
    decisions["gradient_accumulation"] = (
        f"{rows // fit.size}: {rows} {'packed sequences' if plan.settings.train.packing else 'rows'} a step, as before"
    )
    say(f"rows of a pass: {decisions['batch_size']}")
    record = plan.checkpoints / "chosen.json"  # what a resume goes on with
    if record.is_file():
        kept = read_json(record)
        write_json(
            record,
            {
                **kept,
                "changes": {**kept["changes"], **changes},
                "reasons": {**kept["reasons"], **{key: decisions[key] for key in changes}},
            },
        )
    events.write(
        "fit",
        batch_size=fit.size,
        gradient_accumulation=rows // fit.size,
        probes=[list(probe) for probe in fit.probes],
        room_gb=room,
        reason=fit.reason,
    )
    return probes[fit.size]


def set_batch(trainer: Any, batch_size: int, gradient_accumulation: int) -> None:
    """Other rows in a pass for a trainer that did not begin yet. Accelerate's own count stays 1: transformers divides the loss itself."""
    args = trainer.args
    args.per_device_train_batch_size, args.gradient_accumulation_steps = batch_size, gradient_accumulation
    args.per_device_eval_batch_size = batch_size  # twice as many, as elsewhere, was not probed
    trainer._train_batch_size = args.train_batch_size


def begin_measuring() -> float:
    """Peaks count from now on; GB in use now."""
    import torch

    if not torch.cuda.is_initialized():
        return get_memory_gb()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return float(torch.cuda.memory_reserved()) / 1e9


def probe_longest(trainer: Any, lengths: list[int], get_batch: Any = None, size: int = 0) -> dict[str, float]:
    """One whole step on the longest rows before anything else: too little memory shows now, not at step N.

    Forward, backward and an optimizer step of size 0, so that the optimizer's moments are in memory too; weights, random
    numbers and counters are as before.

    Args:
        trainer: a trainer that did not begin yet.
        lengths: tokens of each row of its data set.
        get_batch: the method's ``get_probe_batch(trainer, rows)``, for one whose collator does not make what compute_loss
            takes (it generates first); ``None`` from it: no probe.
        size: rows in the pass; 0: as many as the trainer's batch has.

    Returns:
        tokens (in the batch, with padding), seconds, peak_memory_gb; empty when the method has no such batch.

    Raises:
        GaslampError: a loss that is no number. What the allocator raises goes through.
    """
    import torch

    model = trainer.model
    size = size or trainer.args.per_device_train_batch_size
    longest = sorted(range(len(lengths)), key=lambda row: lengths[row], reverse=True)[:size]
    rows = [trainer.train_dataset[row] for row in longest]
    started = time.monotonic()
    with kept_random_state(), kept_counters(trainer):
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
            with trainer.compute_loss_context_manager():  # 16-bit arithmetic as in the training
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
        raise refuse_nan(0, value, "before the first step")
    tokens = max((t.numel() for t in batch.values() if hasattr(t, "numel") and t.dim() == 2), default=0)
    return {"tokens": float(tokens), "seconds": round(time.monotonic() - started, 3), "peak_memory_gb": peak}


def get_memory_gb() -> float:
    """Peak memory of this process in GB: reserved on the GPU where it computes there, resident elsewhere."""
    import resource

    import torch

    if torch.cuda.is_initialized():
        return round(float(torch.cuda.max_memory_reserved()) / 1e9, 3)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 3)


class Watcher:
    """Between the trainer and the world: events, progress lines, checkpoints by time, and every reason to stop."""

    def __init__(self, plan: Plan, events: Events) -> None:
        self.plan, self.events = plan, events
        self.steps = self.step = 0
        self.stop_reason: str | None = None
        self.nan: float | None = None
        self.saved = 0
        self.peak_memory_gb = 0.0
        self.last_save = self.step_started = time.monotonic()
        self.step_seconds = 0.0
        self.tokens_before = 0.0
        self.owner_gone = find_owner(Path.cwd())

    def begin(self, steps: int) -> None:
        """The number of steps is known."""
        self.steps, self.progress = steps, Progress("step", steps)

    def emit_start(
        self,
        epochs: float,
        resumed: int,
        held: dict[str, float],
        probe: dict[str, float],
        chosen: dict[str, str] | None = None,
    ) -> None:
        """What is trained, and what the probe step took.

        Args:
            epochs: passes over the rows.
            resumed: step of the checkpoint that it goes on from, or 0.
            held: base_gb and adapters_gb, for the gauge of the dashboard.
            probe: tokens, seconds, peak_memory_gb, and estimated_gb where it was; empty: there was no probe.
            chosen: of the settings that the backend chose, the value with its reason.
        """
        settings = self.plan.settings
        if probe:
            estimated = f", estimated {probe['estimated_gb']:.1f} at most" if "estimated_gb" in probe else ""
            say(
                f"probe step on the longest rows ({probe['tokens']:.0f} tokens): {probe['seconds']:.1f} s, {probe['peak_memory_gb']:.1f} GB{estimated}"
            )
        self.events.write(
            "start",
            backend=settings.backend,
            method=settings.method,
            max_steps=self.steps,
            rows=len(self.plan.train),
            epochs=epochs,
            resumed_from=resumed,
            pid=os.getpid(),
            settings=settings.dump()["train"],
            parameters=self.plan.model.parameters,
            memory=held,
            probe=probe,
            **({"chosen": chosen} if chosen is not None else {}),
        )
        if resumed:
            say(f"going on from checkpoint {resumed} of {self.steps}")

    def emit(self, event: str, **values: Any) -> None:
        """An event of the method itself, with the step: ``sample`` with prompt, completion and scores."""
        self.events.write(event, step=self.step, **values)

    def signals(self) -> Any:
        """Ctrl-C and SIGTERM ask for a stop after the running step; the second one ends at once."""

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
                watcher.step_started, watcher.step = time.monotonic(), state.global_step + 1

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
        if asked and is_first():
            self.plan.save_request.unlink(missing_ok=True)
        self.stop_reason, due, asked = agree((self.stop_reason, due, asked))
        if self.stop_reason:
            control.should_training_stop = True
        if (due or asked or self.stop_reason) and state.global_step < self.steps:
            control.should_save = True

    def _get_passed(self, logs: dict[str, Any]) -> dict[str, float]:
        """What the method's trainer logs beside the common values, by the trainer's own names."""
        names = [name for name in logs if name not in NOT_PASSED and not name.startswith(("train_", "eval_"))]
        kept = {
            name: logs[name]
            for name in names
            if isinstance(logs[name], int | float) and not isinstance(logs[name], bool)
        }
        return {
            name: round(float(value), 6)
            for name, value in kept.items()
            if name not in ("runtime", "samples_per_second", "steps_per_second")
        }

    def _log(self, state: Any, control: Any, logs: dict[str, Any]) -> None:
        self.peak_memory_gb = max(self.peak_memory_gb, get_memory_gb())
        if "eval_loss" in logs:
            own = {key.removeprefix("eval_"): value for key, value in logs.items()}
            self.events.write(
                "eval", step=state.global_step, valid_loss=float(logs["eval_loss"]), **self._get_passed(own)
            )
        if "loss" not in logs:
            return
        loss = float(logs["loss"])
        seen = float(logs.get("num_tokens", state.num_input_tokens_seen))
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
            **self._get_passed(logs),
        )
        if not math.isfinite(loss):
            self.nan = loss
            control.should_training_stop = True
            control.should_save = False
        self.progress.update(state.global_step, f"loss {loss:.3f}")

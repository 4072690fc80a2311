"""The TRL and PEFT engine: loads, probes, trains, saves, and writes events.

It knows no method: which rows are trained, how, and with which loss is in the plug-ins of methods/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.core.console import say
from gaslamp.core.decisions import Decision, find_decision
from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.core.events import Events, get_history, read_events
from gaslamp.core.processes import is_first
from gaslamp.models.loading import load_model
from gaslamp.train.errors import get_finding_error, get_loss_error
from gaslamp.train.method import Context
from gaslamp.train.oom import OutOfMemory, is_out_of_memory
from gaslamp.train.plan import Plan, Result, check_run, choose_epochs, get_epochs
from gaslamp.train.protocols import Method, get_method
from gaslamp.train.trl.arguments import (
    count_rows,
    count_trained,
    get_arguments,
    get_lengths,
    has_loss,
    set_steps,
    set_validation,
    use_length_sampler,
)
from gaslamp.train.trl.callback import build_callback
from gaslamp.train.trl.load import get_peft_config, has_adapter, keep_start, save_weights
from gaslamp.train.trl.measure import get_memory_gb
from gaslamp.train.trl.probe import get_estimate, measure_batch_size, probe_longest
from gaslamp.train.trl.state import forget_preparation, restore_counters, set_processor_name
from gaslamp.train.trl.trackers import keep_trackers_local
from gaslamp.train.validation import BestKeeper, describe_cost
from gaslamp.train.watcher import Watcher

if TYPE_CHECKING:
    from gaslamp.train.protocols import Loader
    from gaslamp.train.types import Trainer


def train_with_trl(
    plan: Plan,
    events: Events,
    device_arguments: dict[str, object],
    dtype: str,
    decisions: list[Decision],
    load: Loader | None = None,
    adapter_first: bool = False,
) -> Result:
    """Train ``plan`` with the trainer of its method and return what happened.

    Args:
        plan: data, settings and folders.
        events: where every logged value goes.
        device_arguments: what the backend adds to the trainer's arguments (use_cpu, bf16 ...).
        dtype: of the base weights while training.
        decisions: automatic choices so far; recorded in train.json.
        load: the backend's own ``load(plan, dtype) -> (model, peft_config)``; a model that carries its adapter already
            comes with ``None``.
        adapter_first: the trainers are patched and drop a ``peft_config``; the adapter goes onto the model before them.

    Raises:
        OutOfMemory: the allocator refused, before the first step or later.
        Interrupted: a signal, after a checkpoint was saved.
        GaslampError: a loss that is NaN or infinite, or rows and settings that cannot work.
    """
    with keep_trackers_local(plan):
        run = _build_run(plan, events, device_arguments, dtype, decisions, load, adapter_first)
        _train(run)
        return _finish(run, dtype)


@dataclass
class _Run:
    """One training with TRL, from the loaded model to the saved adapter."""

    plan: Plan
    events: Events
    method: Method
    context: Context
    trainer: Trainer
    watcher: Watcher
    columns: set[str]  # of the training data set
    epochs: float
    steps: int
    held: dict[str, float]  # GB of base model and adapter, for the gauge of the dashboard
    probe: dict[str, float]
    valid_rows: int = 0  # that there are


def _build_run(
    plan: Plan,
    events: Events,
    device_arguments: dict[str, object],
    dtype: str,
    decisions: list[Decision],
    load: Loader | None,
    adapter_first: bool,
) -> _Run:
    import torch
    from transformers import set_seed

    if torch.cuda.is_initialized():  # what an attempt that ran out of memory left in the allocator's cache
        torch.cuda.empty_cache()
    train = plan.settings.train
    method = get_method(plan.settings.method)
    set_seed(train.seed)
    model: Any
    peft_config: Any
    if load:
        model, peft_config = load(plan, dtype)
    else:
        model, peft_config = (
            getattr(method, "load_model", load_model)(plan.model.path, dtype),
            get_peft_config(train, plan.model.path),
        )
    base_gb = get_memory_gb()
    if hasattr(model, "config"):
        model.config.use_cache = False
    epochs = get_epochs(plan)
    watcher = Watcher(plan, events)
    context = Context.from_plan(
        plan,
        model,
        watcher.emit,
        [*decisions, choose_epochs(plan)],
        arguments=get_arguments(plan, epochs) | device_arguments,
        callbacks=[build_callback(watcher)],
        peft_config=peft_config,
        adapter_first=adapter_first,
    )
    context.tokenizer.chat_template = plan.template.chat_template
    trainer = method.get_trainer(context)
    if train.adapter == "lora" and not has_adapter(trainer.model):
        raise GaslampError(
            f"{type(trainer).__name__} was made without an adapter, which train.adapter: lora asks for",
            "set train.engine: trl",
            "a method of your own that makes its trainer itself must hand peft_config to it",
        )
    held = {"base_gb": base_gb, "adapters_gb": round(get_memory_gb() - base_gb, 3)}
    if train.adapter == "lora" and is_first():
        keep_start(trainer, train.lora.init_lora_weights)
    if hasattr(trainer.model, "peft_config"):
        trainer.model.peft_config["default"].base_model_name_or_path = plan.model.source  # not a path of this machine
    columns = set(trainer.train_dataset.column_names)
    plan.lengths = get_lengths(trainer.train_dataset, columns)
    use_length_sampler(trainer, plan.lengths, train)
    steps = set_steps(trainer, train)
    watcher.begin(steps)
    valid_rows = len(trainer.eval_dataset) if trainer.eval_dataset is not None else 0
    watcher.set_validations(set_validation(trainer, train, steps), len(trainer.eval_dataset or ()), valid_rows)
    watcher.measure = trainer.evaluate
    check_run(plan, steps)
    run = _Run(plan, events, method, context, trainer, watcher, columns, epochs, steps, held, {}, valid_rows)
    watcher.keeper = BestKeeper(plan.checkpoints, train.keep, train.patience, lambda folder: _save(run, folder))
    return run


def _train(run: _Run) -> None:
    """Probe, evaluate, train. Raises OutOfMemory with nothing that still holds the tensors of the step."""
    plan, trainer = run.plan, run.trainer
    resumed = int(plan.resume.name.split("-")[1]) if plan.resume else 0
    restore_counters(trainer, run.watcher, plan.resume, resumed)
    memory_ran_out = False
    try:
        trainable = count_trainable(trainer)
        trained = None if has_loss(trainer.train_dataset, run.columns) else 0
        run.probe = _probe(run) if trainable and trained is None else {}  # nothing to probe: log_start finds it
        chosen = [find_decision(run.context.decisions, name) for name in plan.settings.train.choose]
        run.watcher.log_start(
            run.epochs,
            resumed,
            run.held,
            run.probe,
            [one for one in chosen if one],
            trainable,
            trained,
        )
        if run.watcher.stopped_by or run.watcher.ended:
            trainer.state.global_step = resumed
            return
        if not resumed and trainer.eval_dataset is not None:
            trainer.evaluate()
            forget_preparation(trainer)
        set_processor_name(trainer)
        with run.watcher.catch_signals():
            trainer.train(resume_from_checkpoint=str(plan.resume) if plan.resume else None)
    except BaseException as error:
        memory_ran_out = is_out_of_memory(error)
        run.events.write(
            "end", status="error", step=trainer.state.global_step, reason=f"{type(error).__name__}: {error}"[:500]
        )
        if not memory_ran_out:
            raise
        where = f"at step {trainer.state.global_step + 1}" if trainer.state.global_step else "for the first step"
        size, tokens = trainer.args.per_device_train_batch_size, max(plan.lengths, default=0)
    if memory_ran_out:  # outside of except, whose error holds the tensors of the step
        trainer.model.zero_grad(set_to_none=True)
        raise OutOfMemory(f"{where}: {size} row{'s' if size > 1 else ''} of up to {tokens} tokens", tokens)


def _probe(run: _Run) -> dict[str, float]:
    plan, trainer = run.plan, run.trainer
    if plan.choice and plan.choice.sizes:
        probe = measure_batch_size(plan, trainer, run.events, run.context.decisions)
    else:
        probe = probe_longest(trainer, plan.lengths, getattr(run.method, "get_probe_batch", None))
    if probe:
        probe["estimated_gb"] = get_estimate(plan, int(probe["tokens"]))
    return probe


def _finish(run: _Run, dtype: str) -> Result:
    """Log how the training ended, write the weights, and collect the result.

    Raises for every end before the last step.
    """
    trainer, watcher = run.trainer, run.watcher
    done = trainer.state.global_step
    if watcher.nan is not None:
        run.events.write("end", status="error", step=done, reason=f"loss became {watcher.nan}")
        kept = f"checkpoint-{watcher.saved} is kept" if watcher.saved else "no checkpoint was saved yet"
        raise get_loss_error(done, watcher.nan, kept)
    if watcher.stopped_by and done < run.steps:
        run.events.write("end", status="error", step=done, reason=watcher.stopped_by.text)
        kept = f"checkpoint-{watcher.saved} is kept" if watcher.saved else "before a checkpoint was saved"
        raise get_finding_error(watcher.stopped_by, run.steps, kept)
    if watcher.stop_reason and done < run.steps and not watcher.ended:
        run.events.write("end", status="interrupted", step=done, reason=watcher.stop_reason)
        raise Interrupted(
            f"training stopped at step {done} of {run.steps} ({watcher.stop_reason}); checkpoint-{done} is saved",
            "run the same command: it resumes from there",
        )
    ended = watcher.ended if done < run.steps else ""
    if ended:
        say(f"ended at step {done} of {run.steps}: {ended}")
    run.events.write("end", status="completed", step=done, reason=ended)
    if is_first():
        taken = watcher.keeper.take(run.plan.adapters, done) if watcher.keeper else None
        if taken is None:
            _save(run, run.plan.adapters)
        run.context.decisions += _describe_validation(run, taken, ended)
    decisions = run.context.decisions
    if not find_decision(decisions, "attention"):
        decisions = [Decision(name="attention", value="sdpa", reason="PyTorch's fused attention"), *decisions]
    return Result(
        device=str(trainer.args.device.type),
        dtype=dtype,
        steps=done,
        epochs=round(trainer.state.epoch or 0.0, 3),
        peak_memory_gb=max(watcher.peak_memory_gb, run.probe.get("peak_memory_gb", 0.0)),
        trainable_parameters=count_trainable(trainer),
        train_rows=count_rows(trainer.train_dataset, run.columns),
        trained_tokens=count_trained(trainer.train_dataset, run.columns),
        decisions=decisions,
        probe=run.probe,
    )


def _describe_validation(run: _Run, kept: Decision | None, ended: str | None) -> list[Decision]:
    """What the measurements cost, which weights were kept, and why the training ended before its last step."""
    events = read_events(run.plan.metrics, run.events.key)
    seconds = [float(event.get("seconds") or 0) for event in get_history(events, "eval")]
    trained = sum(float(event.get("seconds") or 0) for event in get_history(events))
    found = []
    if run.watcher.validations:
        found.append(describe_cost(len(run.trainer.eval_dataset), run.valid_rows, seconds, trained))
    if ended:
        found.append(Decision(name="ended", value=run.trainer.state.global_step, reason=ended))
    return [*found, kept] if kept else found


def count_trainable(trainer: Trainer) -> int:
    """Parameters that are trained."""
    return sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)


def _save(run: _Run, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    getattr(run.method, "save", save_weights)(run.trainer, folder)
    (folder / "README.md").unlink(missing_ok=True)  # an empty model card

"""The MLX engine behind the mac backend: loads, trains with mlx-lm's loop, and writes the adapter in PEFT layout.

mlx-tune's SFTTrainer is not used: it drops callbacks, accumulation, warm-up and load_in_4bit, and trains again in a
subprocess after any error.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

from gaslamp.config.methods import is_multimodal
from gaslamp.core.decisions import Decision, set_decision
from gaslamp.core.events import Events
from gaslamp.train.errors import get_no_rows_error
from gaslamp.train.method import Context
from gaslamp.train.methods import vision_sft
from gaslamp.train.mlx import checkpoints as mlx_models
from gaslamp.train.mlx import vision as mlx_vision
from gaslamp.train.mlx.objectives import get_objective
from gaslamp.train.mlx.objectives.base import count_tokens
from gaslamp.train.mlx.resume import get_weights, restore_checkpoint
from gaslamp.train.mlx.session import Session
from gaslamp.train.mlx.types import Model
from gaslamp.train.oom import OutOfMemory, is_out_of_memory
from gaslamp.train.plan import Plan, Result, check_run, choose_epochs, get_epochs
from gaslamp.train.validation import BestKeeper, pick_rows, plan_validation
from gaslamp.train.watcher import Watcher


def train_with_mlx(plan: Plan, events: Events, dtype: str, decisions: list[Decision]) -> Result:
    """Train ``plan`` with mlx-lm and return what happened.

    Args:
        plan: data, settings and folders.
        events: where every value goes.
        dtype: of the base weights that are not quantized.
        decisions: automatic choices so far.

    Raises:
        OutOfMemory: the allocator refused.
        Interrupted: a signal, after a checkpoint was saved.
        GaslampError: a loss that is NaN or infinite, or rows and settings that cannot work.
    """
    import mlx.core as mx

    train = plan.settings.train
    mx.random.seed(train.seed)
    mx.reset_peak_memory()
    model, modules, held = load_adapted(plan, dtype, decisions)
    epochs = get_epochs(plan)
    watcher = Watcher(plan, events)
    context = Context.from_plan(plan, model, watcher.emit, [*decisions, choose_epochs(plan)])
    objective = get_objective(context)
    rows = objective.encode(plan.train)
    if not rows:
        raise get_no_rows_error(train.max_length)
    plan.lengths = [count_tokens(row) for row in rows]
    steps = train.max_steps or math.ceil(
        math.ceil(len(rows) / (train.batch_size * train.gradient_accumulation)) * epochs
    )
    check_run(plan, steps)
    valid = objective.encode(plan.valid)
    count, places = plan_validation(train, len(valid), steps)
    measured = [valid[n] for n in pick_rows(count, len(valid))]
    session = Session(plan, events, watcher, model, objective, rows, measured, steps)
    watcher.set_validations(places, count, len(valid))

    def save(folder: Path) -> None:
        mlx_models.save_peft(get_weights(model), modules, train.lora, plan.model.source, folder)

    watcher.keeper = BestKeeper(plan.checkpoints, train.keep, train.patience, save)
    if plan.resume:
        session.step = restore_checkpoint(plan.resume, model, session.optimizer)
    try:
        probe = session.probe()
        watcher.log_start(epochs, session.step, held, probe)
        session.train()
    except BaseException as error:
        events.write("end", status="error", step=session.step, reason=f"{type(error).__name__}: {error}"[:500])
        if not is_out_of_memory(error):
            raise
        where = f"at step {session.step + 1}" if session.step else "for the first step"
        rows_text = f"{train.batch_size} row{'s' if train.batch_size > 1 else ''}"
        raise OutOfMemory(f"{where}: {rows_text} of up to {max(plan.lengths)} tokens", max(plan.lengths)) from None
    session.end()
    weights = get_weights(model)
    kept = watcher.keeper.take(plan.adapters, session.step)
    if kept is None:
        save(plan.adapters)
    attention = Decision(name="attention", value="MLX's fused attention")
    return Result(
        device=f"mlx {mx.default_device().type.name}",
        dtype=dtype,
        steps=session.step,
        epochs=round(session.step / session.steps_per_epoch, 3),
        peak_memory_gb=max(session.peak_memory_gb, probe["peak_memory_gb"]),
        trainable_parameters=sum(value.size for value in weights.values()),
        train_rows=len(rows),
        trained_tokens=sum(sum(mask) for row in rows for _, mask in row["rows"]),
        decisions=[*context.decisions, *([kept] if kept else []), attention],
        probe=probe,
    )


def load_adapted(plan: Plan, dtype: str, decisions: list[Decision]) -> tuple[Model, dict[str, str], dict[str, float]]:
    """The base model of the plan with a fresh adapter.

    Args:
        plan: of the training.
        dtype: of the base weights that are not quantized.
        decisions: gets one on the quantization, where there is one.

    Returns:
        The model; the adapted layers with their names in the checkpoint; base_gb and adapters_gb in memory.
    """
    import mlx.core as mx

    train, path, choose = plan.settings.train, plan.model.path, None
    if is_multimodal(plan.settings.method):
        model, names = mlx_vision.load_model(path, dtype, train.quantization)
        options = vision_sft.Settings.model_validate(train.options)
        quantized = model.language_model
        choose = partial(vision_sft.pick_modules, options=options, wanted=train.lora.target_modules)
    else:
        model, _ = mlx_models.load_model(path, dtype, train.quantization)
        names, quantized = mlx_models.read_module_names(path), model
    if train.quantization != "none":
        bits = mlx_models.get_bits(quantized)
        reason = f"set by train.quantization; {bits} bits a weight in memory, scales included"
        set_decision(decisions, "quantization", train.quantization, reason)
    base = mx.get_active_memory()
    modules = mlx_models.add_adapter(model, train.lora, names, choose)
    mx.eval(model.parameters())
    adapters = mx.get_active_memory() - base
    return model, modules, {"base_gb": round(base / 1e9, 3), "adapters_gb": round(adapters / 1e9, 3)}

"""Training with any backend: the plan, resuming, the steps after an out-of-memory error, the adapter, train.json."""

from __future__ import annotations

import gc
import json
import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.config.backends import can_quantize
from gaslamp.config.length import get_length_decisions, settle_length
from gaslamp.config.methods import get_method, is_multimodal
from gaslamp.config.presets import choose_by_size
from gaslamp.config.sections.train import NO_REASON_TO_TRAIN
from gaslamp.config.slices import Slice, change_train
from gaslamp.core.console import get_duration, get_size, say
from gaslamp.core.contracts import ModelFacts, Provenance, Template
from gaslamp.core.decisions import set_decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import Events
from gaslamp.core.files import lock, read_jsonl, sha256_path, sha256_text, write_json
from gaslamp.core.processes import get_count, is_first
from gaslamp.data.rows import Row, adapt, get_kind
from gaslamp.models.template import Renderer
from gaslamp.train.checkpoints import check_checkpoint, find_checkpoint
from gaslamp.train.lora import find_model_problems
from gaslamp.train.oom import OutOfMemory, StepDown, get_oom_error, get_steps_down
from gaslamp.train.plan import Plan, Result
from gaslamp.train.protocols import get_backend
from gaslamp.train.record import build_facts, get_folder_size
from gaslamp.train.share import take_share
from gaslamp.train.shown_row import describe_row

if TYPE_CHECKING:
    from gaslamp.train.protocols import Backend
    from gaslamp.train.pruning import Pruner


def train_model(
    settings: Slice,
    model: Path,
    train: Path,
    valid: Path,
    template: Path,
    checkpoints: Path,
    metrics: Path,
    adapters: Path,
    facts: Path,
    card: Path | None = None,
    pruner: Pruner | None = None,
) -> None:
    """Train an adapter, or resume an interrupted training of the same data and settings.

    Args:
        settings: slice with backend, method and train; ``card`` has the number where train.max_length is auto.
        model, train, valid, template: files of the earlier phases.
        checkpoints: folder that survives failures; one sub-folder for each combination of data and settings.
        metrics: the metrics.jsonl to append to.
        adapters: folder for the finished adapter in PEFT layout, written at once at the end.
        facts: train.json to write.
        card: card.json of the data phase, for the lengths of the rows; ``None``: they are taken as max_length.
        pruner: ends a point of a sweep that does worse than the others.

    Raises:
        GaslampError: a loss that is NaN or infinite, an interrupt (after saving), or settings that cannot work.
    """
    settings, own = settle_length(settings, card), get_length_decisions(settings, card)
    backend = get_backend(settings.backend)
    threads = backend.prepare_process(settings)
    model_facts, template_facts = ModelFacts.read(model), Template.read(template)
    requested = settings.dump()
    misfits = find_model_problems(requested["train"], Path(model_facts.path), is_multimodal(settings.method))
    if misfits:
        causes, fixes = zip(*misfits, strict=True)
        raise GaslampError("; ".join(causes), "; ".join(dict.fromkeys(fixes)))
    settings, presets = choose_by_size(settings, model_facts.parameters)
    deciding = {key: value for key, value in settings.dump()["train"].items() if key not in NO_REASON_TO_TRAIN}
    parts = [
        settings.method,
        json.dumps(deciding, sort_keys=True),
        model_facts.sha256,
        f"{template_facts.sha256} {template_facts.thinking}",
        sha256_path(train),
        sha256_path(valid),
    ]
    key = sha256_text("\n".join(parts))[:12]
    folder = checkpoints / key
    checkpoints.mkdir(parents=True, exist_ok=True)
    waiting = "another process still trains this run; waiting for it to save and stop"
    with lock(checkpoints / "train.lock", waiting) if is_first() else nullcontext():
        events = Events(metrics, key, silent=not is_first())
        plan = Plan(
            model=model_facts,
            template=template_facts,
            settings=settings,
            renderer=Renderer.load(model_facts.path, template_facts),
            train=take_share(_read_rows(train, settings.method), settings.train.share),
            valid=_read_rows(valid, settings.method),
            folder=train.parent,
            checkpoints=folder,
            save_request=checkpoints / "SAVE",
            metrics=metrics,
            adapters=adapters.with_name(f".{adapters.name}.unfinished"),
            resume=None,
            decisions=[threads, *own, *presets],
            card=card,
            pruner=pruner,
        )
        if is_first() and plan.train:
            for decision in own:
                print(f"train.max_length {decision.text}", flush=True)
            shown = describe_row(plan.renderer, plan.train[0], get_method(settings.method))
            print(shown, flush=True)  # into the log, not the terminal
        if is_first() and presets:
            say(f"{', '.join(f'{one.name} {one.value:g}' for one in presets)}: {presets[0].reason}")
        provenance = Provenance.start([model, train, valid, template], requested)
        result = _train_within_memory(backend, plan, events)
        if not is_first():
            return
        if adapters.exists():
            shutil.rmtree(adapters)
        os.replace(plan.adapters, adapters)
        record = build_facts(plan, result, metrics, key, adapters, provenance)
        record.write(facts)
        for other in checkpoints.iterdir():  # of other data or settings: nothing can resume from them any more
            if other.is_dir() and other != folder:
                shutil.rmtree(other)
    say(
        f"loss {record.loss_first:.3f} -> {record.loss_last:.3f} in {record.steps} steps, "
        f"{get_duration(record.seconds)}; adapter {get_size(get_folder_size(adapters))}"
    )


def _train_within_memory(backend: Backend, plan: Plan, events: Events) -> Result:
    """Train; where memory runs out, take the next step down if train.on_oom is ``adapt`` or gaslamp chose the value.

    What was changed is kept in the folder of the checkpoints: after a kill the same command begins with it.
    """
    record = plan.checkpoints / "adapted.json"
    configured = plan.settings
    adapted: list[dict[str, Any]] = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else []
    open_ = set(configured.train.choose)
    if configured.train.on_oom != "adapt":
        adapted = [step for step in adapted if set(step["changes"]) <= open_]
    while True:
        plan.settings = _apply_changes(configured, adapted)
        plan.choice = None
        plan.resume = find_checkpoint(plan.checkpoints, getattr(backend, "check_checkpoint", check_checkpoint))
        if adapted:
            set_decision(plan.decisions, "memory", "; ".join(step["text"] for step in adapted), "memory ran out before")
        try:
            return backend.train(plan, events)
        except OutOfMemory as error:
            error.__traceback__ = error.__context__ = None  # both hold the tensors of the step that failed
            step = _choose_step_down(plan, open_, configured.train.on_oom, error, [step["name"] for step in adapted])
        say(f"out of memory: trying {step.text}")
        events.write("adapt", reason="out of memory", rung=step.name, changes=step.changes)
        adapted.append({"name": step.name, "text": step.text, "changes": step.changes})
        if not step.keeps_result:
            shutil.rmtree(plan.checkpoints, ignore_errors=True)
        plan.checkpoints.mkdir(parents=True, exist_ok=True)
        write_json(record, adapted)
        gc.collect()


def _apply_changes(configured: Slice, adapted: list[dict[str, Any]]) -> Slice:
    """The settings as configured, with the changes of all steps down; what was changed is not chosen again."""
    changes = {name: value for step in adapted for name, value in step["changes"].items()}
    if not changes:
        return configured
    still_open = [name for name in configured.train.choose if name not in changes]
    return change_train(configured, {**changes, "choose": still_open})


def _choose_step_down(plan: Plan, open_: set[str], on_oom: str, error: OutOfMemory, tried: list[str]) -> StepDown:
    """The next thing to try. Raises GaslampError when only a person can choose it."""
    batch_is_loss = bool(getattr(get_method(plan.settings.method), "BATCH_IS_LOSS", False))
    train = plan.settings.dump()["train"]
    steps = get_steps_down(train, plan.lengths, can_quantize(plan.settings.backend), batch_is_loss)
    ours = next((step for step in steps if step.changes and set(step.changes) <= open_), None)
    step = steps[0] if on_oom == "adapt" and steps[0].changes else ours
    # several processes cannot go down together: the others wait for the one that ran out
    if step is None or get_count() > 1:
        raise get_oom_error(error, steps, tried) from None
    return step


def _read_rows(file: Path, method: str) -> list[Row]:
    """The rows of a file, each as the method takes it: left alone when it is of one of its kinds."""
    kinds = get_method(method).KINDS
    return [row if get_kind(row) in kinds else adapt(row, kinds[0]) for row in read_jsonl(file)]

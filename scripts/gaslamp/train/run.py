"""Training, whatever the backend: the plan, the checkpoints that may be resumed, the adapter and the facts."""

from __future__ import annotations

import gc
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaslamp.config.sections.train import NO_REASON_TO_TRAIN
from gaslamp.config.slices import Slice, parse_slice
from gaslamp.core import registry
from gaslamp.core.console import get_duration, get_size, say
from gaslamp.core.contracts import ModelFacts, Provenance, Template, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import Events, get_history, read_events
from gaslamp.core.files import lock, read_jsonl, sha256_path, sha256_text, write_json
from gaslamp.core.processes import get_count, is_first
from gaslamp.data.rows import Row, adapt, get_kind
from gaslamp.models.template import Renderer
from gaslamp.train.method import get_method
from gaslamp.train.oom import OutOfMemory, get_rungs, refuse

ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
STATE_FILES = ("optimizer.pt", "scheduler.pt", "trainer_state.json")


def get_state_files() -> tuple[str, ...]:
    """What a checkpoint holds beside weights: each process has its own random numbers."""
    count = get_count()
    return (*STATE_FILES, *(["rng_state.pth"] if count == 1 else [f"rng_state_{rank}.pth" for rank in range(count)]))


@dataclass
class Plan:
    """All that a backend needs to train: nothing of Snakemake, nothing of the config file."""

    model: ModelFacts
    template: Template
    settings: Any  # slice with backend, method, train; nulls are filled with the method's preset
    renderer: Renderer
    train: list[Row]  # of the method's first kind
    valid: list[Row]
    folder: Path  # of the rows: image paths in them start here
    checkpoints: Path  # folder of this key; the backend owns what is inside
    save_request: Path  # touch this file to get a checkpoint now
    metrics: Path  # the metrics.jsonl; trackers write beside it
    adapters: Path  # folder to write the finished adapter (or, with train.adapter none, the whole model) to
    resume: Path | None  # checkpoint to go on from
    decisions: dict[str, str]  # automatic choices before the backend took over, with their reasons
    lengths: list[int] = field(default_factory=list)  # tokens of each training row, once the backend knows them
    card: Path | None = None  # card.json of the data phase
    choice: Any = None  # gpu_choice.Choice, where the backend chose what the config left open


@dataclass
class Result:
    """What a backend hands back after the last step."""

    device: str
    dtype: str
    steps: int
    epochs: float
    peak_memory_gb: float
    trainable_parameters: int
    train_rows: int
    trained_tokens: int  # that carry loss in one pass; 0 where no token does (a reward decides)
    decisions: dict[str, str] = field(default_factory=dict)
    probe: dict[str, float] = field(default_factory=dict)


def train_model(
    settings: Any,
    model: Path,
    train: Path,
    valid: Path,
    template: Path,
    checkpoints: Path,
    metrics: Path,
    adapters: Path,
    facts: Path,
    card: Path | None = None,
) -> None:
    """Train an adapter, or go on with an interrupted training of the same data and settings.

    Args:
        settings: slice with backend, method and train.
        model, train, valid, template: files of the earlier phases.
        checkpoints: folder that survives failures; one sub-folder for each combination of data and settings.
        metrics: the metrics.jsonl to append to.
        adapters: folder for the finished adapter in PEFT layout, written at once at the end.
        facts: train.json to write.
        card: card.json of the data phase, for the lengths of the rows; ``None``: they are taken as max_length.

    Raises:
        GaslampError: a loss that is not a number, an interrupt (after saving), or settings that cannot work.
    """
    backend = registry.get("backends", settings.backend)
    threads = backend.prepare_process(settings)
    model_facts, template_facts = ModelFacts.read(model), Template.read(template)
    values = settings.dump()
    what = {key: value for key, value in values["train"].items() if key not in NO_REASON_TO_TRAIN}
    parts = [
        settings.method,
        json.dumps(what, sort_keys=True),
        model_facts.sha256,
        template_facts.sha256,
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
            train=_read_rows(train, settings.method),
            valid=_read_rows(valid, settings.method),
            folder=train.parent,
            checkpoints=folder,
            save_request=checkpoints / "SAVE",
            metrics=metrics,
            adapters=adapters.with_name(f".{adapters.name}.unfinished"),
            resume=None,
            decisions={"threads": threads},
            card=card,
        )
        provenance = Provenance.start([model, train, valid, template], values)
        result = _train_within_memory(backend, plan, events)
        if not is_first():
            return
        if adapters.exists():
            shutil.rmtree(adapters)
        os.replace(plan.adapters, adapters)
        record = _get_facts(plan, result, metrics, key, adapters, provenance)
        record.write(facts)
        for other in checkpoints.iterdir():  # of other data or settings: nothing can resume from them any more
            if other.is_dir() and other != folder:
                shutil.rmtree(other)
    say(
        f"loss {record.loss_first:.3f} -> {record.loss_last:.3f} in {record.steps} steps, {get_duration(record.seconds)}; adapter {get_size(_get_folder_size(adapters))}"
    )


def _train_within_memory(backend: Any, plan: Plan, events: Events) -> Result:
    """Train; where memory runs out, go down the ladder when train.on_oom is ``adapt``, or when it was gaslamp that chose.

    What was changed is kept beside the checkpoints: after a kill the same command begins with it.
    """
    record = plan.checkpoints / "adapted.json"
    asked = plan.settings
    adapted: list[dict[str, Any]] = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else []
    open_ = set(asked.train.choose)
    if asked.train.on_oom != "adapt":
        adapted = [step for step in adapted if set(step["changes"]) <= open_]
    while True:
        changes = {name: value for step in adapted for name, value in step["changes"].items()}
        plan.settings = change_settings(
            asked,
            {**changes, "choose": [name for name in asked.train.choose if name not in changes]} if changes else {},
        )
        plan.choice = None
        plan.resume = find_checkpoint(plan.checkpoints, getattr(backend, "check_checkpoint", check_checkpoint))
        plan.decisions |= (
            {"memory": "; ".join(step["text"] for step in adapted) + ": memory ran out before"} if adapted else {}
        )
        try:
            result: Result = backend.train(plan, events)
            return result
        except OutOfMemory as error:
            error.__traceback__ = error.__context__ = None  # both hold the tensors of the step that failed
            rungs = get_rungs(
                plan.settings.dump()["train"],
                plan.lengths,
                plan.settings.backend,
                bool(getattr(get_method(plan.settings.method), "BATCH_IS_LOSS", False)),
            )
            ours = next((rung for rung in rungs if rung.changes and set(rung.changes) <= open_), None)
            rung = rungs[0] if asked.train.on_oom == "adapt" and rungs[0].changes else ours
            # several processes cannot go down together: the others wait for the one that ran out
            if rung is None or get_count() > 1:
                raise refuse(error, rungs, [step["name"] for step in adapted]) from None
        say(f"out of memory: trying {rung.text}")
        events.write("adapt", reason="out of memory", rung=rung.name, changes=rung.changes)
        adapted.append({"name": rung.name, "text": rung.text, "changes": rung.changes})
        if not rung.keeps_result:
            shutil.rmtree(plan.checkpoints, ignore_errors=True)
        plan.checkpoints.mkdir(parents=True, exist_ok=True)
        write_json(record, adapted)
        gc.collect()


def change_settings(settings: Slice, changes: dict[str, Any]) -> Slice:
    """The settings with other values in ``train``."""
    values = settings.dump()
    return parse_slice(json.dumps({**values, "train": {**values["train"], **changes}})) if changes else settings


def _read_rows(file: Path, method: str) -> list[Row]:
    """The rows of a file, each as the method takes it: left alone when it is of one of its kinds."""
    kinds = get_method(method).KINDS
    return [row if get_kind(row) in kinds else adapt(row, kinds[0]) for row in read_jsonl(file)]


def find_checkpoint(folder: Path, check: Callable[[Path], str | None] | None = None) -> Path | None:
    """The newest complete checkpoint in ``folder``; an incomplete one (a kill while it was written) is skipped and said.

    Args:
        folder: with checkpoint-<step> folders.
        check: what makes one unusable, or ``None`` from it; the backend's own, or ``check_checkpoint``.
    """
    check = check or check_checkpoint
    found = sorted(
        (path for path in folder.glob("checkpoint-*") if path.name[11:].isdigit()),
        key=lambda path: int(path.name.split("-")[1]),
        reverse=True,
    )
    for checkpoint in found:
        problem = check(checkpoint)
        if problem is None:
            return checkpoint
        say(f"{checkpoint.name} is incomplete ({problem}): skipped")
    return None


def check_checkpoint(checkpoint: Path) -> str | None:
    """What makes a checkpoint unusable, or ``None``: files, readable tensors, and the step it records."""
    from safetensors import SafetensorError, safe_open

    weights = sorted(checkpoint.glob("*.safetensors"))
    names = (*(() if any(file.name.startswith("model") for file in weights) else ADAPTER_FILES), *get_state_files())
    missing = [name for name in names if not (checkpoint / name).is_file()]
    index = checkpoint / "model.safetensors.index.json"
    try:
        if index.is_file():
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            missing += sorted(parts - {file.name for file in weights})
        if missing:
            return f"no {', '.join(missing)}"
        cut = [
            name
            for name in get_state_files()
            if name.endswith((".pt", ".pth")) and not zipfile.is_zipfile(checkpoint / name)
        ]  # the index is at the end
        if cut:
            return f"cut off: {', '.join(cut)}"
        for file in weights:
            with safe_open(file, framework="pt") as tensors:
                if not list(tensors.keys()):
                    return f"no tensors in {file.name}"
        for name in (*ADAPTER_FILES[1:], "config.json"):
            if name in names or (checkpoint / name).is_file():
                json.loads((checkpoint / name).read_text(encoding="utf-8"))
        step = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]
    except (SafetensorError, ValueError, KeyError) as error:
        return f"unreadable: {error}"
    return None if checkpoint.name == f"checkpoint-{step}" else f"it records step {step}"


def _get_facts(
    plan: Plan, result: Result, metrics: Path, key: str, adapters: Path, provenance: Provenance
) -> TrainFacts:
    events = read_events(metrics, key)
    steps = get_history(events)
    losses = [step["loss"] for step in steps]
    evals = [event["valid_loss"] for event in get_history(events, "eval")]
    tail = losses[-max(1, len(losses) // 10) :]
    seconds = sum(step["seconds"] for step in steps)
    tokens = sum(step.get("tokens", 0) for step in steps)
    starts = [event for event in events if event["event"] == "start"]
    return TrainFacts(
        backend=plan.settings.backend,
        method=plan.settings.method,
        device=result.device,
        dtype=result.dtype,
        decisions={**plan.decisions, **result.decisions},
        steps=result.steps,
        epochs=result.epochs,
        train_rows=result.train_rows,
        trained_tokens=result.trained_tokens,
        loss_first=losses[0],
        loss_last=sum(tail) / len(tail),
        valid_loss_first=evals[0] if evals else None,
        valid_loss_last=evals[-1] if evals else None,
        seconds=round(seconds, 1),
        seconds_per_step=round(sorted(step["seconds"] for step in steps)[len(steps) // 2], 4),
        tokens_per_second=round(tokens / seconds, 1) if seconds else 0.0,
        peak_memory_gb=round(result.peak_memory_gb, 2),
        probe=result.probe,
        attempts=len(starts),
        resumed_from=[event["resumed_from"] for event in starts if event["resumed_from"]],
        trainable_parameters=result.trainable_parameters,
        total_parameters=plan.model.parameters,
        adapter_sha256=_get_weights_hash(adapters),
        settings=plan.settings.dump()["train"],
        provenance=provenance,
    )


def _get_weights_hash(folder: Path) -> str:
    """Of the adapter's tensors, or of the whole model's."""
    files = sorted(folder.rglob("*.safetensors"))
    return sha256_path(files[0]) if len(files) == 1 else sha256_text("".join(sha256_path(file) for file in files))


def _get_folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def refuse_nan(step: int, loss: float, checkpoint: str) -> GaslampError:
    """The error for a loss that is no number, with what to try."""
    return GaslampError(
        f"the loss became {loss} at step {step}; training stopped, {checkpoint}",
        "lower train.learning_rate (a third of it), or raise train.warmup_steps",
        "float16 overflowed: set train.dtype to bfloat16 or float32",
    )

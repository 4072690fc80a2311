"""Training, whatever the backend: the plan, the checkpoints that may be resumed, the adapter and the facts."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaslamp import registry
from gaslamp.console import get_duration, get_size, say
from gaslamp.contracts import ModelFacts, Provenance, Template, TrainFacts
from gaslamp.errors import GaslampError
from gaslamp.events import Events, get_history, read_events
from gaslamp.files import lock, read_jsonl, sha256_path, sha256_text
from gaslamp.template import Encoded, Renderer

# What a checkpoint must not depend on: how often it is saved.
_NOT_IN_KEY = ("save_minutes", "save_steps")
_CHECKPOINT_FILES = ("adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt", "trainer_state.json")


@dataclass
class Plan:
    """All that a backend needs to train: nothing of Snakemake, nothing of the config file."""

    model: ModelFacts
    template: Template
    settings: Any  # slice with backend, method, train
    train: list[Encoded]
    valid: list[Encoded]
    checkpoints: Path  # folder of this key; the backend owns what is inside
    save_request: Path  # touch this file to get a checkpoint now
    adapters: Path  # folder to write the finished adapter to
    resume: Path | None  # checkpoint to go on from
    decisions: dict[str, str]  # automatic choices before the backend took over, with their reasons


@dataclass
class Result:
    """What a backend hands back after the last step."""

    device: str
    dtype: str
    steps: int
    epochs: float
    peak_memory_gb: float
    trainable_parameters: int
    decisions: dict[str, str] = field(default_factory=dict)
    probe: dict[str, float] = field(default_factory=dict)


def train_model(
    settings: Any, model: Path, train: Path, valid: Path, template: Path, checkpoints: Path, metrics: Path, adapters: Path, facts: Path
) -> None:
    """Train an adapter, or go on with an interrupted training of the same data and settings.

    Args:
        settings: slice with backend, method and train.
        model, train, valid, template: files of the earlier phases.
        checkpoints: folder that survives failures; one sub-folder for each combination of data and settings.
        metrics: the metrics.jsonl to append to.
        adapters: folder for the finished adapter in PEFT layout, written at once at the end.
        facts: train.json to write.

    Raises:
        GaslampError: a loss that is not a number, an interrupt (after saving), or settings that cannot work.
    """
    backend = registry.get("backends", settings.backend)
    threads = backend.prepare_process()
    model_facts, template_facts = ModelFacts.read(model), Template.read(template)
    values = settings.dump()
    what = {key: value for key, value in values["train"].items() if key not in _NOT_IN_KEY}
    parts = [settings.method, json.dumps(what, sort_keys=True), model_facts.sha256, template_facts.sha256, sha256_path(train), sha256_path(valid)]
    key = sha256_text("\n".join(parts))[:12]
    folder = checkpoints / key
    checkpoints.mkdir(parents=True, exist_ok=True)
    with lock(checkpoints / "train.lock", "another process still trains this run; waiting for it to save and stop"):
        renderer = Renderer.load(model_facts.path, template_facts)
        events = Events(metrics, key)
        plan = Plan(
            model=model_facts,
            template=template_facts,
            settings=settings,
            train=_encode(renderer, train, settings.train.max_length),
            valid=_encode(renderer, valid, settings.train.max_length),
            checkpoints=folder,
            save_request=checkpoints / "SAVE",
            adapters=adapters.with_name(f".{adapters.name}.unfinished"),
            resume=find_checkpoint(folder),
            decisions={"threads": threads},
        )
        provenance = Provenance.start([model, train, valid, template], values)
        result: Result = backend.train(plan, events)
        if adapters.exists():
            shutil.rmtree(adapters)
        os.replace(plan.adapters, adapters)
        record = _get_facts(plan, result, metrics, key, adapters, provenance)
        record.write(facts)
        for other in checkpoints.iterdir():  # of other data or settings: nothing can resume from them any more
            if other.is_dir() and other != folder:
                shutil.rmtree(other)
    say(f"loss {record.loss_first:.3f} -> {record.loss_last:.3f} in {record.steps} steps, {get_duration(record.seconds)}; adapter {get_size(_get_folder_size(adapters))}")


def _encode(renderer: Renderer, file: Path, max_length: int) -> list[Encoded]:
    rows = [renderer.encode(row["messages"]) for row in read_jsonl(file)]
    return [row for row in rows if len(row.ids) <= max_length]


def find_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint in ``folder``; an incomplete one (a kill while it was written) is skipped and said."""
    found = sorted((path for path in folder.glob("checkpoint-*") if path.name[11:].isdigit()), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in found:
        problem = check_checkpoint(checkpoint)
        if problem is None:
            return checkpoint
        say(f"{checkpoint.name} is incomplete ({problem}): skipped")
    return None


def check_checkpoint(checkpoint: Path) -> str | None:
    """What makes a checkpoint unusable, or ``None``: files, readable tensors, and the step it records."""
    from safetensors import SafetensorError, safe_open

    missing = [name for name in _CHECKPOINT_FILES if not (checkpoint / name).is_file()]
    if missing:
        return f"no {', '.join(missing)}"
    cut = [name for name in _CHECKPOINT_FILES if name.endswith(".pt") and not zipfile.is_zipfile(checkpoint / name)]  # the index is at the end
    if cut:
        return f"cut off: {', '.join(cut)}"
    try:
        with safe_open(checkpoint / "adapter_model.safetensors", framework="pt") as tensors:
            if not list(tensors.keys()):
                return "no tensors in the adapter"
        json.loads((checkpoint / "adapter_config.json").read_text(encoding="utf-8"))
        step = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]
    except (SafetensorError, ValueError, KeyError) as error:
        return f"unreadable: {error}"
    return None if checkpoint.name == f"checkpoint-{step}" else f"it records step {step}"


def _get_facts(plan: Plan, result: Result, metrics: Path, key: str, adapters: Path, provenance: Provenance) -> TrainFacts:
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
        train_rows=len(plan.train),
        trained_tokens=sum(sum(row.trained) for row in plan.train),
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
        adapter_sha256=sha256_path(adapters / "adapter_model.safetensors"),
        provenance=provenance,
    )


def _get_folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def refuse_nan(step: int, loss: float, checkpoint: str) -> GaslampError:
    """The error for a loss that is no number, with what to try."""
    return GaslampError(
        f"the loss became {loss} at step {step}; training stopped, {checkpoint}",
        "lower train.learning_rate (a third of it), or raise train.warmup_steps",
        "float16 overflowed: set train.dtype to bfloat16 or float32",
    )

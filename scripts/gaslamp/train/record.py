"""train.json: what a finished training did, from its events and the backend's result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.contracts import Provenance, TrainFacts
from gaslamp.core.decisions import Decision, find_decision
from gaslamp.core.events import get_history, read_events
from gaslamp.core.files import JsonObject
from gaslamp.models.checkpoint import get_weights_hash
from gaslamp.train.diagnose import diagnose_events
from gaslamp.train.history import get_smoothed
from gaslamp.train.method import merge_decisions

if TYPE_CHECKING:
    from gaslamp.train.plan import Plan, Result


def build_facts(
    plan: Plan, result: Result, metrics: Path, key: str, adapters: Path, provenance: Provenance
) -> TrainFacts:
    """The record of a training.

    Args:
        plan: as it trained, after any out-of-memory step.
        result: of the backend.
        metrics: the metrics.jsonl.
        key: of this combination of data and settings in it.
        adapters: folder of the finished weights.
        provenance: begun before the training.
    """
    events = read_events(metrics, key)
    steps = get_history(events)
    losses = [step["loss"] for step in steps]
    evals = [event["valid_loss"] for event in get_history(events, "eval")]
    by_step = {event["step"]: event["valid_loss"] for event in get_history(events, "eval")}
    seconds = sum(step["seconds"] for step in steps)
    tokens = sum(step.get("tokens", 0) for step in steps)
    starts = [event for event in events if event["event"] == "start"]
    decisions = merge_decisions(plan.decisions, result.decisions)
    chosen = find_decision(decisions, "kept_step")
    kept = int(str(chosen.value)) if chosen else result.steps
    limits = Diagnose.model_validate(plan.settings.dump().get("diagnose", {}))
    return TrainFacts(
        backend=plan.settings.backend,
        method=plan.settings.method,
        device=result.device,
        dtype=result.dtype,
        decisions=decisions,
        steps=result.steps,
        epochs=result.epochs,
        train_rows=result.train_rows,
        trained_tokens=result.trained_tokens,
        loss_first=losses[0],
        loss_last=get_smoothed(losses),
        valid_loss_first=evals[0] if evals else None,
        valid_loss_last=evals[-1] if evals else None,
        valid_loss_kept=by_step.get(kept),
        kept_step=kept,
        findings=diagnose_events(events, limits),
        seconds=round(seconds, 1),
        seconds_per_step=round(sorted(step["seconds"] for step in steps)[len(steps) // 2], 4),
        tokens_per_second=round(tokens / seconds, 1) if seconds else 0.0,
        peak_memory_gb=round(result.peak_memory_gb, 2),
        probe=result.probe,
        attempts=len(starts),
        resumed_from=[event["resumed_from"] for event in starts if event["resumed_from"]],
        trainable_parameters=result.trainable_parameters,
        total_parameters=plan.model.parameters,
        adapter_sha256=get_weights_hash(adapters),
        starts=plan.model.starts,
        settings=get_trained_settings(plan.settings.dump()["train"], decisions),
        provenance=provenance,
    )


def get_trained_settings(train: JsonObject, decisions: list[Decision]) -> JsonObject:
    """Section ``train`` with what was chosen for the keys in ``choose``: the values that trained."""
    chosen = {decision.name: decision.value for decision in decisions if decision.name in (train.get("choose") or ())}
    return {**train, **chosen}


def get_folder_size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

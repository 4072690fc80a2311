"""The hyperparameters as training used them, each with the reason for its value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gaslamp.config.backends import get_unused_settings
from gaslamp.config.lora import drop_unused_options
from gaslamp.config.methods import get_method, get_preset
from gaslamp.config.sections.train import Lora, Train
from gaslamp.core import registry
from gaslamp.core.contracts import TrainFacts
from gaslamp.core.decisions import Decision

OPEN = (None, "auto")
"""Values of the config that leave a choice to the program."""


def get_trained_settings(train: TrainFacts, config: Mapping[str, object]) -> dict[str, object]:
    """Section ``train`` as training used it.

    Args:
        train: train.json.
        config: today's section; it fills keys that train.json does not record (files of version 0.1).
    """
    recorded = train.provenance.settings.get("train", {}) if train.provenance else {}
    settings = {**config, **recorded, **train.settings}
    preset = _get_preset(train, settings)  # what went by the size of the model stands in train.json, unless it is old
    return {key: preset.get(key) if value is None else value for key, value in settings.items()}


def get_requested_settings(train: TrainFacts) -> dict[str, object]:
    """Section ``train`` of the config that training started with; empty when train.json does not record it."""
    requested: dict[str, object] = train.provenance.settings.get("train", {}) if train.provenance else {}
    return requested


def show_value(value: object) -> str:
    """A setting as text: yes and no, lists with commas, rewards by name and options."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):  # a reward: its name and its options
        return " ".join(f"{key} {show_value(item)}" for key, item in value.items() if item not in ({}, []))
    return ", ".join(map(show_value, value)) if isinstance(value, list) else str(value)


def get_parameters(trained: Mapping[str, object], train: TrainFacts) -> list[tuple[str, str, str]]:
    """``(parameter, value, why)`` of every setting that training used, then of every other automatic choice.

    The reason is the one that the run recorded, else the one that the method's preset or the config gives.

    Args:
        trained: section ``train`` as it trained (``get_trained_settings``).
        train: train.json.
    """
    decisions = {decision.name: decision for decision in train.decisions}
    requested = get_requested_settings(train)
    preset = _get_preset(train, trained)
    unused = {"choose", *get_unused_settings(train.backend)}
    rows = []
    for key, value in trained.items():
        if key in unused or value == [] or (key == "lora" and trained.get("adapter") == "none"):
            continue
        if isinstance(value, dict):
            about = _get_descriptions(key, train.method)
            for name, item in (drop_unused_options(value) if key == "lora" else value).items():
                why = decisions[f"{key}.{name}"].reason if f"{key}.{name}" in decisions else ""
                rows.append((f"{key}.{name}", show_value(item), why or about.get(name, "")))
            continue
        value, why = _explain(key, value, trained, requested, decisions.get(key))
        if not why:
            source = f"Preset of {train.method}. " if key in preset and value == preset[key] else ""
            field = Train.model_fields.get(key)
            why = source + _shorten((field.description if field else None) or "")
        rows.append((key, show_value(value), why))
    shown = {row[0] for row in rows}
    rows += [
        (decision.name, show_value(decision.value), decision.reason or "chosen automatically")
        for decision in train.decisions
        if decision.name not in shown
    ]
    return rows


def _shorten(description: str) -> str:
    """A config description without what concerns other runs: what null means, and lists of methods."""
    text = description.partition(" null: the method's preset")[0].rstrip(";")
    methods = "|".join(registry.names("methods"))
    return re.sub(rf" \((?:{methods})(?:, (?:{methods}))*\)", "", text)


def _explain(
    key: str, value: object, trained: Mapping[str, object], requested: Mapping[str, object], decision: Decision | None
) -> tuple[object, str]:
    """The value that trained, and the reason that the run recorded for it; an empty reason when it recorded none."""
    choose = trained.get("choose")
    if decision and isinstance(choose, list) and key in choose:
        return decision.value, f"Chosen: {decision.reason}"
    before, whose = requested.get(key), "config"
    if before in OPEN and decision and value not in OPEN:
        before, whose = decision.value, "preset"
    if before not in OPEN and before != value:
        return value, f"Changed after an out-of-memory step; the {whose} had {show_value(before)}"
    if decision is None:
        return value, ""
    if value in OPEN:
        return decision.value, decision.reason
    return value, decision.reason if show_value(decision.value) == show_value(value) else ""


def _get_preset(train: TrainFacts, trained: Mapping[str, object]) -> dict[str, object]:
    if train.method not in registry.names("methods"):
        return {}
    return get_preset(train.method, str(trained.get("adapter", "lora")), train.total_parameters)


def _get_descriptions(key: str, method: str) -> dict[str, str]:
    """What each key of a nested section means: of ``lora``, else of the method's own options."""
    if key == "lora":
        model = Lora
    elif method in registry.names("methods"):
        model = get_method(method).Settings
    else:
        return {}
    return {name: field.description or "" for name, field in model.model_fields.items()}

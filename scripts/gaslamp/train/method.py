"""What a method plug-in gives, what it gets, and what holds for one that leaves something open.

A method (``methods/<name>.py``) is one way to learn from rows. docs/extend.md shows one; tests/contracts holds each to this.
Imports nothing heavy: the config is checked with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaslamp.config.methods import (
    ARTEFACTS,
    COMMON_PRESET,
    GPU_BACKENDS,
    Settings,
    find_option_problems,
    get_adapters,
    get_artefact,
    get_evaluation_options,
    get_method,
    get_options,
    get_pooling,
    get_preset,
    is_multimodal,
    is_packing_allowed,
)
from gaslamp.data.rows import Row

__all__ = [
    "Context",
    "ARTEFACTS",
    "COMMON_PRESET",
    "GPU_BACKENDS",
    "Settings",
    "find_option_problems",
    "get_adapters",
    "get_artefact",
    "get_evaluation_options",
    "get_method",
    "get_options",
    "get_pooling",
    "get_preset",
    "is_multimodal",
    "is_packing_allowed",
]


@dataclass
class Context:
    """All that ``get_trainer`` may need. The base model is loaded, and carries no adapter yet."""

    model: Any  # from the method's load_model, or a causal language model
    tokenizer: Any  # with the recorded template, pad and end token
    renderer: Any  # gaslamp.models.template.Renderer: messages -> text, ids and loss mask as recorded
    template: Any  # contracts.Template
    train: list[Row]
    valid: list[Row]  # may be empty
    folder: Path  # image paths in rows are relative to it
    model_path: str  # folder of the base model (what a trainer loads again, such as a reference model)
    settings: Any  # slice with backend, method, train: nulls are filled with the preset
    options: Any  # the method's Settings
    arguments: dict[
        str, Any
    ]  # TrainingArguments for the trainer's config class; a method adds its own (max_length ...)
    callbacks: list[Any]
    peft_config: Any  # a LoraConfig for the trainer, or None when train.adapter is none
    emit: Callable[..., None]  # emit("sample", prompt=..., completion=..., scores=...): an event for every screen
    decisions: dict[str, str] = field(default_factory=dict)  # "name": "value: reason", for train.json

    @classmethod
    def from_plan(
        cls, plan: Any, model: Any, emit: Callable[..., None], decisions: dict[str, str], **more: Any
    ) -> Context:
        """Of a training's plan (gaslamp.train.run.Plan); ``more``: arguments, callbacks and peft_config, for engines whose trainer takes them."""
        return cls(
            model=model,
            tokenizer=plan.renderer.tokenizer,
            renderer=plan.renderer,
            template=plan.template,
            train=plan.train,
            valid=plan.valid,
            folder=plan.folder,
            model_path=plan.model.path,
            settings=plan.settings,
            options=get_options(plan.settings.method, plan.settings.train.options),
            emit=emit,
            decisions={**plan.decisions, **decisions},
            **{"arguments": {}, "callbacks": [], "peft_config": None, **more},
        )

    def to_dataset(self, rows: list[dict[str, Any]]) -> Any:
        """A ``datasets.Dataset`` of ``rows``, or ``None`` when there are none (no validation rows)."""
        from datasets import Dataset

        return Dataset.from_list(rows) if rows else None

    def make_trainer(
        self, trainer_class: Any, config: Any, train: list[dict[str, Any]], valid: list[dict[str, Any]], **more: Any
    ) -> Any:
        """A trainer with the model, adapter and callbacks of this run.

        Args:
            trainer_class: of TRL, or made from one.
            config: its arguments.
            train, valid: rows in its columns; ``valid`` may be empty.
            more: what else it takes, or takes instead (``processing_class`` is the tokenizer otherwise).
        """
        parts = {
            "processing_class": self.tokenizer,
            "callbacks": self.callbacks,
            "peft_config": self.peft_config,
            **more,
        }
        return trainer_class(
            model=self.model,
            args=config,
            train_dataset=self.to_dataset(train),
            eval_dataset=self.to_dataset(valid),
            **parts,
        )

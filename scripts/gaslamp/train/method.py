"""What a method plug-in gets from a training.

docs/extend.md shows a method; ``gaslamp.train.protocols.Method`` has every attribute. Imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.config.methods import (
    ARTEFACTS,
    Settings,
    find_option_problems,
    get_adapters,
    get_artefact,
    get_evaluation_options,
    get_method,
    get_options,
    get_pooling,
    get_preset,
    get_sized_keys,
    is_multimodal,
    is_packing_allowed,
)
from gaslamp.core.contracts import Template
from gaslamp.core.decisions import Decision, Scalar, set_decision
from gaslamp.data.rows import Row
from gaslamp.models.template import Renderer
from gaslamp.train.trl.load import add_adapter

if TYPE_CHECKING:
    from datasets import Dataset

    from gaslamp.config.slices import Slice
    from gaslamp.train.plan import Plan
    from gaslamp.train.types import Columns, Trainer

__all__ = [
    "ARTEFACTS",
    "Context",
    "Settings",
    "find_option_problems",
    "get_adapters",
    "get_artefact",
    "get_evaluation_options",
    "get_method",
    "get_options",
    "get_pooling",
    "get_preset",
    "get_sized_keys",
    "is_multimodal",
    "is_packing_allowed",
]


@dataclass
class Context:
    """All that ``get_trainer`` may need. The base model is loaded, and carries no adapter yet."""

    model: Any  # from the method's load_model, or a causal language model (torch or MLX)
    tokenizer: Any  # of transformers, with the recorded template, pad and end token
    renderer: Renderer  # messages -> text, ids and loss mask as recorded
    template: Template
    train: list[Row]
    valid: list[Row]  # may be empty
    folder: Path  # image paths in rows are relative to it
    model_path: str  # folder of the base model (what a trainer loads again, such as a reference model)
    settings: Slice  # backend, method, train: nulls are filled with the preset
    options: Any  # the method's Settings
    arguments: dict[
        str, Any
    ]  # TrainingArguments for the trainer's config class; a method adds its own (max_length ...)
    callbacks: list[Any]  # TrainerCallback
    peft_config: Any  # a LoraConfig for the trainer, or None when train.adapter is none
    emit: Callable[..., None]  # emit("sample", prompt=..., completion=..., scores=...): an event for every screen
    decisions: list[Decision] = field(default_factory=list)  # for train.json
    adapter_first: bool = False  # the trainer drops peft_config: the adapter goes onto the model before it

    @classmethod
    def from_plan(
        cls, plan: Plan, model: object, emit: Callable[..., None], decisions: list[Decision], **more: object
    ) -> Context:
        """The context of a training.

        Args:
            plan: of the training.
            model: loaded.
            emit: writes an event of the method.
            decisions: of the backend and the engine; those of the plan come first.
            more: arguments, callbacks and peft_config, for engines whose trainer takes them.
        """
        values: dict[str, Any] = {"arguments": {}, "callbacks": [], "peft_config": None, **more}
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
            decisions=merge_decisions(plan.decisions, decisions),
            **values,
        )

    def decide(self, name: str, value: Scalar | list[Scalar], reason: str = "") -> None:
        """Record an automatic choice for train.json."""
        set_decision(self.decisions, name, value, reason)

    def to_dataset(self, rows: list[Columns]) -> Dataset | None:
        """A ``datasets.Dataset`` of ``rows``, or ``None`` when there are none (no validation rows)."""
        from datasets import Dataset

        return Dataset.from_list(rows) if rows else None

    def make_trainer(
        self,
        trainer_class: type,
        config: object,
        train: list[Columns],
        valid: list[Columns],
        **more: object,
    ) -> Trainer:
        """A trainer with the model, adapter and callbacks of this run.

        Args:
            trainer_class: of TRL, or made from one.
            config: its arguments.
            train, valid: rows in its columns; ``valid`` may be empty.
            more: what else it takes, or takes instead (``processing_class`` is the tokenizer otherwise).
        """
        model, peft_config = self.model, self.peft_config
        if self.adapter_first and peft_config is not None:
            model, peft_config = add_adapter(model, peft_config, self.settings.train.gradient_checkpointing), None
        parts = {
            "processing_class": self.tokenizer,
            "callbacks": self.callbacks,
            "peft_config": peft_config,
            **more,
        }
        trainer: Trainer = trainer_class(
            model=model,
            args=config,
            train_dataset=self.to_dataset(train),
            eval_dataset=self.to_dataset(valid),
            **parts,
        )
        return trainer


def merge_decisions(*lists: list[Decision]) -> list[Decision]:
    """Decisions of several lists, in order; a later one replaces an earlier one of the same name."""
    return list({decision.name: decision for decisions in lists for decision in decisions}.values())

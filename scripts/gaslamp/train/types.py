"""Types of what passes through the training: its settings, and the parts of a trainer that are used."""

from __future__ import annotations

from collections.abc import Callable, Sized
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from gaslamp.environment.memory_estimate import MemorySettings

if TYPE_CHECKING:
    import torch

TrainValues = dict[str, Any]
"""Keys of section ``train`` with new values."""
Columns = dict[str, Any]
"""One row in the columns of a trainer: token ids, labels, texts."""


class TrainSettings(MemorySettings, Protocol):
    """Section ``train`` of the config with the method's preset filled in."""

    learning_rate: float
    epochs: float | None
    max_steps: int | None
    scheduler: str
    warmup_steps: int
    adam_beta2: float
    weight_decay: float
    max_grad_norm: float
    seed: int
    processes: int
    choose: list[str]
    options: dict[str, Any]
    report_to: list[str]
    rewards: list[Any]
    on_oom: str
    save_minutes: float
    save_steps: int | None
    keep: str
    patience: int | None
    valid_rows: int | None


class Settings(Protocol):
    """The slice of the config that a training gets."""

    backend: str
    method: str
    train: TrainSettings

    def dump(self) -> dict[str, TrainValues]:
        """The declared keys as plain values."""


class Tokenizer(Protocol):
    """What is used of a tokenizer of transformers."""

    eos_token_id: int
    pad_token: str

    def __call__(self, text: str, **options: object) -> dict[str, list[int]]:
        """Token ids of a text, under ``input_ids``."""

    def decode(self, ids: list[int]) -> str:
        """The text of token ids."""


class Trainer(Protocol):
    """What the TRL engine uses of a trainer (transformers.Trainer and its subclasses)."""

    args: Any  # TrainingArguments
    model: Any  # torch.nn.Module
    state: Any  # TrainerState
    accelerator: Any
    train_dataset: Any  # datasets.Dataset
    eval_dataset: Any
    data_collator: Callable[[list[Columns]], dict[str, Any]]

    def train(self, resume_from_checkpoint: str | None = None) -> object:
        """Run all steps that are left."""

    def evaluate(self) -> object:
        """Loss of the validation rows; logged through the callbacks."""

    def get_train_dataloader(self) -> Sized:
        """The batches of one epoch."""

    def compute_loss(self, model: object, inputs: dict[str, object]) -> torch.Tensor:
        """Loss of one batch."""

    def compute_loss_context_manager(self) -> AbstractContextManager[object]:
        """Mixed precision as in training."""

"""Arguments of a trainer, its number of steps, the order of its rows, and counts of its tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gaslamp.core.processes import get_count
from gaslamp.train.sampler import LengthSampler
from gaslamp.train.trl.state import keep_random_state
from gaslamp.train.validation import ValidationStopped, pick_rows, plan_validation

if TYPE_CHECKING:
    from datasets import Dataset

    from gaslamp.train.plan import Plan
    from gaslamp.train.types import Trainer, TrainSettings

NEVER = 1_000_000_000  # a number of steps that no training reaches


def get_arguments(plan: Plan, epochs: float) -> dict[str, object]:
    """What the config class of every trainer takes (transformers' TrainingArguments).

    ``set_steps`` puts in the number of steps when the trainer knows its rows.
    """
    train = plan.settings.train
    return {
        "output_dir": str(plan.checkpoints),
        "per_device_train_batch_size": train.batch_size,
        "per_device_eval_batch_size": train.batch_size * 2,
        "gradient_accumulation_steps": train.gradient_accumulation,
        "max_steps": train.max_steps or -1,
        "num_train_epochs": epochs,
        "learning_rate": train.learning_rate,
        "lr_scheduler_type": train.scheduler,
        "warmup_steps": train.warmup_steps,
        "adam_beta2": train.adam_beta2,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "gradient_checkpointing": train.gradient_checkpointing,
        "optim": "adamw_torch",
        "seed": train.seed,
        "data_seed": train.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a NaN must be seen, not averaged away
        "save_strategy": "steps" if train.save_steps else "no",
        "save_steps": train.save_steps or NEVER,
        "save_total_limit": 2,
        "eval_strategy": "steps" if plan.valid else "no",
        "eval_steps": NEVER,  # the callback asks for each measurement
        "prediction_loss_only": True,
        "report_to": train.report_to or "none",
        "project": "gaslamp",
        "run_name": plan.metrics.parent.name,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def set_steps(trainer: Trainer, train: TrainSettings) -> int:
    """Put the number of optimizer steps into the trainer's arguments, and what depends on it; returns the number."""
    args = trainer.args
    steps = train.max_steps
    if not steps:
        with keep_random_state():
            batches = len(trainer.get_train_dataloader())
        steps = math.ceil(math.ceil(batches / args.gradient_accumulation_steps) * args.num_train_epochs)
    args.max_steps = steps
    args.warmup_steps = min(args.warmup_steps, max(1, steps // 2))
    args.save_steps = train.save_steps or steps
    return int(steps)


def set_validation(trainer: Trainer, train: TrainSettings, steps: int) -> list[int]:
    """Leave the trainer the validation rows that it measures; returns the steps after which it does.

    A measurement takes no random number that the training would have taken, so that how often it is made changes no
    weights.
    """
    if trainer.eval_dataset is None or str(trainer.args.eval_strategy).rpartition(".")[2].lower() == "no":
        return []
    total = len(trainer.eval_dataset)
    rows, places = plan_validation(train, total, steps)
    trainer.eval_dataset = trainer.eval_dataset.select(pick_rows(rows, total))
    evaluate = trainer.evaluate

    def evaluate_apart(*args: object, **options: object) -> object:
        with keep_random_state():
            try:
                return evaluate(*args, **options)
            except ValidationStopped:
                return {}

    trainer.evaluate = evaluate_apart  # type: ignore[method-assign]
    return places


def set_batch(trainer: Trainer, batch_size: int, gradient_accumulation: int) -> None:
    """Set another batch size for a trainer that did not begin yet.

    Accelerate's own count of accumulation stays 1: transformers divides the loss itself.
    """
    args = trainer.args
    args.per_device_train_batch_size, args.gradient_accumulation_steps = batch_size, gradient_accumulation
    args.per_device_eval_batch_size = batch_size  # twice as many, as elsewhere, was not probed
    trainer._train_batch_size = args.train_batch_size  # type: ignore[attr-defined]


def use_length_sampler(trainer: Trainer, lengths: list[int], train: TrainSettings) -> None:
    """Put rows of similar length together, the same after a resume; a trainer with a sampler of its own keeps it."""
    from transformers import Trainer as BaseTrainer

    if type(trainer)._get_train_sampler is BaseTrainer._get_train_sampler:  # type: ignore[attr-defined]
        sampler = LengthSampler(lengths, train.batch_size * train.gradient_accumulation * get_count(), train.seed)
        trainer._get_train_sampler = lambda dataset=None: sampler  # type: ignore[attr-defined]


def get_lengths(dataset: Dataset, columns: set[str]) -> list[int]:
    """Tokens of each row, all its sequences together; zeros where a collator makes the tokens later."""
    names = ["input_ids"] if "input_ids" in columns else sorted(name for name in columns if name.endswith("_ids"))
    lengths = [0] * len(dataset)
    for name in names:
        lengths = [length + len(ids or ()) for length, ids in zip(lengths, dataset[name], strict=True)]
    return lengths


def count_rows(dataset: Dataset, columns: set[str]) -> int:
    """Rows of the data that a trainer's data set holds: a packed row has several."""
    return sum(len(found) for found in dataset["seq_lengths"]) if "seq_lengths" in columns else len(dataset)


def has_loss(dataset: Dataset, columns: set[str]) -> bool:
    """Whether a token of a data set carries loss, as far as its columns say it; reads no further than the first."""
    labelled = columns & {"labels", "chosen_labels", "rejected_labels"}
    masked = {name for name in columns if name in ("chosen_mask", "rejected_mask", "completion_mask")}
    if not labelled and not masked:
        return True
    return any(
        any(value != -100 if name in labelled else value for value in values)
        for name in sorted(labelled or masked)
        for values in dataset[name]
    )


def count_trained(dataset: Dataset, columns: set[str]) -> int:
    """Tokens of a data set that carry loss; 0 where the columns do not say it."""
    labelled = columns & {"labels", "chosen_labels", "rejected_labels"}
    if labelled:
        return sum(label != -100 for name in labelled for labels in dataset[name] for label in labels)
    answers = [name for name in ("chosen", "rejected", "completion") if f"{name}_ids" in columns]
    masked = [name for name in answers if f"{name}_mask" in columns]
    return sum(sum(mask) for name in masked for mask in dataset[f"{name}_mask"]) + sum(
        len(ids) for name in answers if name not in masked for ids in dataset[f"{name}_ids"]
    )

"""Kahneman-Tversky optimization: learn from single answers rated good or bad; no pairs are needed."""

from __future__ import annotations

import random

from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import Row
from gaslamp.train import method
from gaslamp.train.method import Context
from gaslamp.train.preference import (
    encode_answer,
    find_answer_problems,
    find_prompt_problems,
)
from gaslamp.train.trl.as_is import take_as_is
from gaslamp.train.types import Columns, Trainer
from pydantic import Field

KINDS = ("rating",)
FIRST_FOR = ("rating",)  # of the methods that learn from such rows the one to start with
NEEDS = "answers rated good or bad, for instance by thumbs (prompt, completion, label)"
ARTEFACT = "causal_lm"
TITLE = "learning from ratings"
REASON = (
    "the rows hold single answers rated good or bad, so the model is trained towards the good ones and away "
    "from the bad ones"
)
LEARN = """\
Kahneman-Tversky optimization needs no pairs: each answer carries a label, good or bad. It moves the likelihood of
good answers up and of bad ones down against the base model, and weighs gains and losses as people do. Both labels
must occur; when one is rare, its weight is raised."""
PANELS = ("loss", "preference", "margin", "kl", "logps")
MAIN_PANELS = ("loss", "preference", "margin", "kl")
REFERENCE_LABEL = "rated answer"
SEQUENCES = 2  # each answer, and one that belongs to another prompt
REFERENCE = True
ADAPTERS = ("lora", "none")
PRESET = {"learning_rate": 5e-6, "batch_size": 4, "gradient_accumulation": 2, "epochs": 3, "max_length": 1024}
BY_SIZE = {15: {"learning_rate": 2e-6}}
FULL_PRESET = {"learning_rate": 5e-7}
FULL_BY_SIZE = {15: {"learning_rate": 2e-7}}
METRICS = (
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "kl",
    "logps/chosen",
    "logps/rejected",
    "grad_norm",
)
DEFAULT_METRICS = ("preference_margin", "length")


class Settings(method.Settings):
    """Options of KTO."""

    beta: float = Field(
        0.1,
        gt=0,
        le=5,
        description="How closely to stay near the base model: 0.01 allows large changes, 0.5 hardly any; typical 0.1.",
    )
    good_weight: float | None = Field(
        None, gt=0, le=100, description="Weight of good answers; null: balanced by how many of each there are."
    )
    bad_weight: float = Field(1.0, gt=0, le=100, description="Weight of bad answers; typical 1.")


def validate(row: Row) -> list[str]:
    """What is wrong with one row, as short phrases; empty when nothing is."""
    return find_prompt_problems(row["prompt"]) + find_answer_problems("completion", row["completion"])


def get_trainer(context: Context) -> Trainer:
    """TRL's KTOTrainer on our token ids.

    It trains rows in their given order, because it estimates the KL divergence to the base model from mismatched
    neighbours in a batch. So they are shuffled here, with the seed.

    Raises:
        GaslampError: rows of one label only, or a batch of one row.
    """
    from trl import KTOConfig, KTOTrainer

    train, options = context.settings.train, context.options
    rows = encode(context, context.train)
    random.Random(train.seed).shuffle(rows)
    weight = get_good_weight(context, rows)
    trainer: Trainer = take_as_is(KTOTrainer, "_prepare_dataset")(
        model=context.model,
        args=KTOConfig(
            **context.arguments,
            beta=options.beta,
            desirable_weight=weight,
            undesirable_weight=options.bad_weight,
            max_length=None,
        ),
        train_dataset=context.to_dataset(add_mismatched(rows, train.batch_size)),
        eval_dataset=context.to_dataset(add_mismatched(encode(context, context.valid), train.batch_size)),
        processing_class=context.tokenizer,
        callbacks=context.callbacks,
        peft_config=context.peft_config,
    )
    return trainer


def get_good_weight(context: Context, rows: list[Columns]) -> float:
    """Weight of good answers: as set, or chosen so that both labels count alike; the choice is recorded.

    Raises:
        GaslampError: rows of one label only, or a batch of one row.
    """
    options, good = context.options, sum(bool(row["label"]) for row in rows)
    if not 0 < good < len(rows):
        raise GaslampError(
            f"all {len(rows)} training rows are {'good' if good else 'bad'}: kto needs both",
            "add rows with the other label",
            "for good answers alone use method: sft",
        )
    if context.settings.train.batch_size < 2:
        raise GaslampError(
            "kto compares the rows of a batch: train.batch_size must be 2 or more",
            "set train.batch_size: 2 and a smaller gradient_accumulation",
        )
    if options.good_weight is not None:
        return float(options.good_weight)
    weight = min(3.0, max(1 / 3, float(options.bad_weight * (len(rows) - good) / good)))
    reason = f"{good} good and {len(rows) - good} bad rows count alike (a third to three at most)"
    context.decide("good_weight", round(weight, 2), reason)
    return weight


def encode(context: Context, rows: list[Row]) -> list[Columns]:
    """``prompt_ids``, ``completion_ids``, ``completion_mask`` and ``label`` of each row.

    A row over ``train.max_length`` is left out, and one of which nothing is learnt.
    """
    result: list[Columns] = []
    for row in rows:
        answer = encode_answer(context.renderer, row["prompt"], row["completion"], row.get("tools"))
        if answer.ids and len(answer.prompt_ids) + len(answer.ids) <= context.settings.train.max_length:
            result.append(
                {
                    "prompt_ids": answer.prompt_ids,
                    "completion_ids": answer.ids,
                    "completion_mask": answer.learnt,
                    "label": row["label"],
                }
            )
    return result


def add_mismatched(rows: list[Columns], batch_size: int) -> list[Columns]:
    """Each row with the completion of the previous row of its batch, the first with the last.

    ``KL_completion_ids`` and ``KL_completion_mask``.
    """
    result: list[Columns] = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        for n, row in enumerate(batch):
            other = {f"KL_{name}": batch[n - 1][name] for name in ("completion_ids", "completion_mask")}
            result.append({**row, **other})
    return result

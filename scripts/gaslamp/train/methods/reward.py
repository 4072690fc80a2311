"""Reward modelling: a model that scores answers, learned from pairs.

It can be the reward of grpo, rloo and online_dpo.
"""

from __future__ import annotations

from pathlib import Path

from gaslamp.data.rows import Message, Row
from gaslamp.models.template import Tools
from gaslamp.train import method
from gaslamp.train.method import Context
from gaslamp.train.preference import KINDS as KINDS
from gaslamp.train.preference import NEEDS as NEEDS
from gaslamp.train.preference import SEQUENCES as SEQUENCES
from gaslamp.train.preference import validate_pair as validate  # noqa: F401 - any preference row will do
from gaslamp.train.types import Columns, Trainer
from pydantic import Field

ARTEFACT = "classifier"
TITLE = "reward model"
REASON = (
    "the rows hold a better and a worse answer to the same prompt, and the result should score answers, not write them"
)
LEARN = """\
A reward model reads a prompt with an answer and returns one number. It is trained on pairs: the chosen answer
should score higher than the rejected one. Only differences between scores mean something, so `center` keeps their
mean near zero. Check it on pairs that it did not see before you let it judge: a model that is trained against a
weak judge learns to please that judge."""
PANELS = ("loss", "rm_accuracy", "rm_margin", "rm_range")
MAIN_PANELS = ("loss", "rm_accuracy", "rm_margin", "rm_range")
REFERENCE_LABEL = "preferred answer"
POOLING = "last"  # the head reads the vector of the last token
ADAPTERS = ("lora", "none")
PRESET = {"learning_rate": 1e-4, "batch_size": 4, "gradient_accumulation": 2, "epochs": 2, "max_length": 1024}
BY_SIZE = {2: {"learning_rate": 3e-5}, 15: {"learning_rate": 1e-5}}
FULL_PRESET = {"learning_rate": 1e-5}
FULL_BY_SIZE = {2: {"learning_rate": 3e-6}, 15: {"learning_rate": 1e-6}}
METRICS = ("loss", "accuracy", "margin", "mean_reward", "min_reward", "max_reward", "grad_norm")
DEFAULT_METRICS = ("preference_accuracy", "preference_margin")


class Settings(method.Settings):
    """Options of reward models."""

    center: float | None = Field(
        0.01,
        ge=0,
        le=1,
        description="Pulls scores towards 0 on average, so that models can be compared; typical 0.01, null: off.",
    )


def load_model(path: str | Path, dtype: str) -> object:
    """The base model with a head that gives one number instead of a next token."""
    import torch
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(path, num_labels=1, dtype=getattr(torch, dtype))


def get_trainer(context: Context) -> Trainer:
    """TRL's RewardTrainer on our token ids: whole conversations as the template renders them.

    All weights of the new head are trained.
    """
    from trl import RewardConfig, RewardTrainer

    if context.peft_config is not None:
        context.peft_config.task_type = "SEQ_CLS"  # keeps the head with the adapter
    config = RewardConfig(
        **context.arguments,
        center_rewards_coefficient=context.options.center,
        max_length=context.settings.train.max_length,
    )
    return context.make_trainer(RewardTrainer, config, encode(context, context.train), encode(context, context.valid))


def encode(context: Context, rows: list[Row]) -> list[Columns]:
    """``chosen_ids`` and ``rejected_ids``, prompt included, of each row that is not over ``train.max_length``.

    Where every row has a ``margin``, the loss wants that difference of the scores.
    """
    renderer = context.renderer

    def get_ids(messages: list[Message], tools: Tools) -> list[int]:
        return renderer.tokenize(renderer.render(messages, generate=False, tools=tools))

    pairs: list[Columns] = [
        {f"{side}_ids": get_ids([*row["prompt"], *row[side]], row.get("tools")) for side in ("chosen", "rejected")}
        for row in rows
    ]
    has_margin = all("margin" in row for row in rows)
    return [
        {**pair, "margin": float(row["margin"])} if has_margin else pair
        for row, pair in zip(rows, pairs, strict=True)
        if max(map(len, pair.values())) <= context.settings.train.max_length
    ]

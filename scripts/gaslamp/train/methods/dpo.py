"""Direct preference optimization: make the chosen answer likelier than the rejected one, against the base model."""

from __future__ import annotations

from typing import Literal

from gaslamp.train import method
from gaslamp.train.method import Context
from gaslamp.train.preference import KINDS as KINDS
from gaslamp.train.preference import NEEDS as NEEDS
from gaslamp.train.preference import SEQUENCES as SEQUENCES
from gaslamp.train.preference import encode_pairs
from gaslamp.train.preference import validate_pair as validate  # noqa: F401 - any preference row will do
from gaslamp.train.trl.as_is import take_as_is
from gaslamp.train.types import Trainer
from pydantic import Field

FIRST_FOR = ("preference",)  # of the methods that learn from such rows the one to start with
ARTEFACT = "causal_lm"
TITLE = "preference optimization"
REASON = (
    "the rows hold a better and a worse answer to the same prompt, so the model is trained to prefer the better one"
)
LEARN = """\
Direct preference optimization needs no reward model. It raises the likelihood of the chosen answer and lowers that
of the rejected one, both measured against the base model, which holds the tuned model close (beta says how close).
Watch the margin and the accuracy rather than the loss. Both likelihoods often fall together; when the chosen one
falls far, use a lower learning rate or add `sft_weight`."""
PANELS = ("loss", "preference", "margin", "accuracy", "logps")
MAIN_PANELS = ("loss", "preference", "margin", "accuracy")
REFERENCE_LABEL = "preferred answer"
REFERENCE = True
ADAPTERS = ("lora", "none")
PRESET = {"learning_rate": 5e-6, "batch_size": 2, "gradient_accumulation": 4, "epochs": 3, "max_length": 1024}
BY_SIZE = {15: {"learning_rate": 2e-6}}
FULL_PRESET = {"learning_rate": 5e-7}
FULL_BY_SIZE = {15: {"learning_rate": 2e-7}}
METRICS = (
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/accuracies",
    "rewards/margins",
    "logps/chosen",
    "logps/rejected",
    "grad_norm",
)
DEFAULT_METRICS = ("preference_accuracy", "preference_margin", "length")


class Settings(method.Settings):
    """Options of DPO."""

    beta: float = Field(
        0.1,
        gt=0,
        le=5,
        description="How closely to stay near the base model: 0.01 allows large changes, 0.5 hardly any; typical 0.1.",
    )
    loss: Literal["sigmoid", "hinge", "ipo", "robust", "apo_zero", "apo_down"] = Field(
        "sigmoid",
        description="sigmoid is DPO; ipo overfits less; robust allows wrong pairs; apo_zero raises the chosen answer.",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="Share of pairs that may be swapped; for sigmoid and robust, typical 0 to 0.2.",
    )
    sft_weight: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Adds the usual loss on the chosen answer, so that it does not become unlikely; typical 0 to 1.",
    )


def get_trainer(context: Context) -> Trainer:
    """TRL's DPOTrainer on our token ids.

    With an adapter the base model is the reference; else a second copy is loaded.
    """
    from trl import DPOConfig, DPOTrainer

    options = context.options
    losses = (
        {"loss_type": [options.loss, "sft"], "loss_weights": [1.0, options.sft_weight]}
        if options.sft_weight
        else {"loss_type": [options.loss]}
    )
    config = DPOConfig(
        **context.arguments, **losses, beta=options.beta, label_smoothing=options.label_smoothing, max_length=None
    )
    rows, valid = encode_pairs(context, context.train), encode_pairs(context, context.valid)
    return context.make_trainer(take_as_is(DPOTrainer, "_prepare_dataset"), config, rows, valid)

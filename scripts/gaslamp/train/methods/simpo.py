"""Simple preference optimization: the chosen answer should be likelier per token by a margin; no reference model."""

from __future__ import annotations

from gaslamp.train import method
from gaslamp.train.method import Context
from gaslamp.train.preference import KINDS as KINDS
from gaslamp.train.preference import NEEDS as NEEDS
from gaslamp.train.preference import SEQUENCES as SEQUENCES
from gaslamp.train.preference import get_labelled_pair_trainer
from gaslamp.train.preference import validate_pair as validate  # noqa: F401 - any preference row will do
from gaslamp.train.types import Trainer
from pydantic import Field

ARTEFACT = "causal_lm"
TITLE = "preference optimization"
REASON = (
    "the rows hold a better and a worse answer to the same prompt; SimPO compares them per token, without a "
    "reference model"
)
LEARN = """\
Simple preference optimization compares the mean log-probability per token of the two answers, so that long answers
have no advantage, and asks for a margin between them. Nothing ties the model to the base model, which makes it fast
and easy to overdo: keep the learning rate low and look at the general questions (retention)."""
PANELS = ("loss", "preference", "margin", "accuracy", "logps")
MAIN_PANELS = ("loss", "preference", "margin", "accuracy")
REFERENCE_LABEL = "preferred answer"
PRESET = {"learning_rate": 5e-6, "batch_size": 2, "gradient_accumulation": 4, "epochs": 1, "max_length": 1024}
BY_SIZE = {15: {"learning_rate": 2e-6}}
METRICS = (
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/accuracies",
    "rewards/margins",
    "logps/chosen",
    "logps/rejected",
    "nll_loss",
    "grad_norm",
)
DEFAULT_METRICS = ("preference_accuracy", "preference_margin", "length")


class Settings(method.Settings):
    """Options of SimPO."""

    beta: float = Field(
        2.0,
        gt=0,
        le=20,
        description="Scale of the likelihoods; much larger than DPO's because they count per token; typical 2 to 10.",
    )
    gamma: float = Field(
        1.0, ge=0, le=20, description="Margin wanted between the two answers; typical 0.3 to 1 times half of beta."
    )
    sft_weight: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Adds the loss of the chosen answer (CPO-SimPO), against forgetting; typical 0 to 1.",
    )


def get_trainer(context: Context) -> Trainer:
    """TRL's (experimental) CPOTrainer with the loss of SimPO, on our token ids."""
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    options = context.options
    own = {"loss_type": "simpo", "beta": options.beta, "simpo_gamma": options.gamma, "cpo_alpha": options.sft_weight}
    return get_labelled_pair_trainer(context, CPOTrainer, CPOConfig, **own)

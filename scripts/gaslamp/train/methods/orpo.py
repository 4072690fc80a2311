"""Odds ratio preference optimization: learn the chosen answer and the preference at once, without a reference model."""

from __future__ import annotations

from gaslamp.train import method
from gaslamp.train.method import Context
from gaslamp.train.preference import KINDS as KINDS
from gaslamp.train.preference import NEEDS as NEEDS
from gaslamp.train.preference import SEQUENCES as SEQUENCES
from gaslamp.train.preference import get_labelled_pair_trainer
from gaslamp.train.preference import validate_pair as validate  # noqa: F401 - any preference row will do
from gaslamp.train.trl.as_is import leave_out
from gaslamp.train.types import Trainer
from pydantic import Field

ARTEFACT = "causal_lm"
TITLE = "preference optimization"
REASON = (
    "the rows hold a better and a worse answer to the same prompt; ORPO learns the better answer and the "
    "preference in one stage, without a reference model"
)
LEARN = """\
Odds ratio preference optimization adds one term to the usual loss on the chosen answer: the odds of the chosen
answer should be higher than those of the rejected one. There is no reference model, so it needs less memory than
DPO, and no separate fine-tuning stage before it."""
PANELS = ("loss", "preference", "margin", "accuracy", "logps")
MAIN_PANELS = ("loss", "preference", "margin", "accuracy")
LOSS_NOTE = "ORPO learns the prompt of the chosen side too, as its authors do"
REFERENCE_LABEL = "preferred answer"
PRESET = {"learning_rate": 8e-6, "batch_size": 2, "gradient_accumulation": 4, "epochs": 3, "max_length": 1024}
BY_SIZE = {15: {"learning_rate": 5e-6}}
METRICS = (
    "loss",
    "nll_loss",
    "log_odds_ratio",
    "log_odds_chosen",
    "rewards/accuracies",
    "rewards/margins",
    "logps/chosen",
    "logps/rejected",
    "grad_norm",
)
DEFAULT_METRICS = ("preference_accuracy", "preference_margin", "length")


class Settings(method.Settings):
    """Options of ORPO."""

    beta: float = Field(
        0.1,
        gt=0,
        le=5,
        description="Weight of the preference next to the loss of the chosen answer; typical 0.05 to 0.2.",
    )


def get_trainer(context: Context) -> Trainer:
    """TRL's (experimental) ORPOTrainer on our token ids: its own would add tokens around them."""
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    return get_labelled_pair_trainer(context, leave_out(ORPOTrainer), ORPOConfig, beta=context.options.beta)

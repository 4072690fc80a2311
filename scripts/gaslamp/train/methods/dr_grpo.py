"""Dr. GRPO: GRPO without its two biases, towards long wrong answers and towards prompts whose answers hardly differ."""

from __future__ import annotations

from gaslamp.train.method import Context
from gaslamp.train.reinforcement import BY_SIZE as BY_SIZE
from gaslamp.train.reinforcement import KINDS as KINDS
from gaslamp.train.reinforcement import MAIN_PANELS as MAIN_PANELS
from gaslamp.train.reinforcement import METRICS as METRICS
from gaslamp.train.reinforcement import NEEDS as NEEDS
from gaslamp.train.reinforcement import PANELS as PANELS
from gaslamp.train.reinforcement import PRESET as PRESET
from gaslamp.train.reinforcement import REFERENCE as REFERENCE
from gaslamp.train.reinforcement import REFERENCE_LABEL as REFERENCE_LABEL
from gaslamp.train.reinforcement import TITLE as TITLE
from gaslamp.train.reinforcement import find_run_problems as find_run_problems
from gaslamp.train.reinforcement import find_setting_problems as find_setting_problems
from gaslamp.train.reinforcement import get_grpo_trainer
from gaslamp.train.reinforcement import get_probe_batch as get_probe_batch
from gaslamp.train.reinforcement import validate as validate
from gaslamp.train.sampling_settings import GrpoSettings
from gaslamp.train.types import Trainer
from pydantic import Field

ARTEFACT = "causal_lm"
REASON = (
    "the rows are prompts whose answers a reward can check; Dr. GRPO removes GRPO's bias towards long wrong answers"
)
LEARN = """\
Dr. GRPO is GRPO without two of its biases: it does not divide by the length of each answer, which favours long
wrong answers, and it does not divide by the spread of a group, which favours prompts where all answers score nearly
alike. As with GRPO, watch the reward, not the loss."""
DEFAULT_METRICS = ("mean_reward", "length")


class Settings(GrpoSettings):
    """Options of Dr. GRPO."""

    scale_rewards: bool = Field(
        False,
        description="Divide by the spread of the group; off removes the bias towards prompts with little spread.",
    )


def get_trainer(context: Context) -> Trainer:
    """TRL's GRPOTrainer with a constant length in the loss: max_completion_length, whatever a completion has."""
    return get_grpo_trainer(context, loss_type="dr_grpo")

"""DAPO: GRPO where every token counts alike, rare tokens may grow (clip higher), and cut answers do not count."""

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
REASON = "the rows are prompts whose answers a reward can check; DAPO suits long reasoning answers"
LEARN = """\
DAPO is GRPO for long answers: every token counts alike, rare tokens may become likelier than the usual clipping
allows, and answers that were cut at the length limit do not count. As with GRPO, watch the reward, not the loss."""
DEFAULT_METRICS = ("mean_reward", "length")


class Settings(GrpoSettings):
    """Options of DAPO."""

    epsilon_high: float | None = Field(
        0.28,
        gt=0,
        lt=5,
        description="How far one update may raise a token's likelihood; above epsilon keeps exploring; typical 0.28.",
    )
    mask_truncated: bool = Field(
        True, description="Learn nothing from completions that were cut at max_completion_length."
    )


def get_trainer(context: Context) -> Trainer:
    """TRL's GRPOTrainer with a loss over all tokens of the step.

    Dynamic sampling (sampling again where all rewards agree) is not in TRL.
    """
    return get_grpo_trainer(context, loss_type="dapo")

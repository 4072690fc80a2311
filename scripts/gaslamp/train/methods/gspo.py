"""Group sequence policy optimization: GRPO on whole answers instead of tokens.

Steadier for long answers and MoE models.
"""

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
    "the rows are prompts whose answers a reward can check; GSPO is steadier for long answers and "
    "mixture-of-experts models"
)
LEARN = """\
Group sequence policy optimization is GRPO that weighs and clips whole answers instead of single tokens, so that one
unlikely token cannot dominate an update. This keeps training of long answers and of mixture-of-experts models
stable. As with GRPO, watch the reward, not the loss."""
DEFAULT_METRICS = ("mean_reward", "length")


class Settings(GrpoSettings):
    """Options of GSPO."""

    epsilon: float = Field(
        3e-4,
        gt=0,
        lt=1,
        description="How far one update may move an answer's likelihood per token; typical 2e-4 to 1e-3.",
    )
    epsilon_high: float | None = Field(4e-4, gt=0, lt=5, description="The same upwards; typical a third above epsilon.")


def get_trainer(context: Context) -> Trainer:
    """TRL's GRPOTrainer with importance weights of whole sequences, and the loss of GRPO as the paper has it."""
    return get_grpo_trainer(context, loss_type="grpo", importance_sampling_level="sequence")

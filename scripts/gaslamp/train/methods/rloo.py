"""REINFORCE leave-one-out: each answer against the mean of the others.

Simpler than GRPO, with a pull to the base model.
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
from gaslamp.train.reinforcement import get_group_trainer
from gaslamp.train.reinforcement import get_probe_batch as get_probe_batch
from gaslamp.train.reinforcement import validate as validate
from gaslamp.train.sampling_settings import GroupSettings
from gaslamp.train.types import Trainer
from pydantic import Field

ARTEFACT = "causal_lm"
REASON = "the rows are prompts whose answers a reward can check; RLOO is the simplest way to learn from such scores"
LEARN = """\
REINFORCE leave-one-out compares each answer with the mean score of the other answers to the same prompt, and
subtracts a penalty for leaving the base model. It is simpler than GRPO and gives a steady signal with few answers
per prompt. Watch the reward, not the loss."""
DEFAULT_METRICS = ("mean_reward", "length")


class Settings(GroupSettings):
    """Options of RLOO."""

    num_generations: int = Field(
        4, ge=2, le=256, description="Completions of each prompt that are compared; typical 2 to 8."
    )
    beta: float = Field(
        0.05, ge=0, le=1, description="Pull back to the base model, taken off the reward; typical 0.01 to 0.1."
    )
    epsilon: float = Field(
        0.2, gt=0, lt=1, description="How far one update may move an answer's likelihood; typical 0.1 to 0.3."
    )
    normalize: bool = Field(False, description="Divide advantages by their spread over the batch.")
    clip: float | None = Field(
        None, gt=0, le=1000, description="Cut rewards to minus and plus this; null: as they are."
    )


def get_trainer(context: Context) -> Trainer:
    """TRL's RLOOTrainer with our prompts, rewards and samples."""
    from trl import RLOOConfig, RLOOTrainer

    options = context.options
    own = {"beta": options.beta, "epsilon": options.epsilon, "normalize_advantages": options.normalize}
    clip = {} if options.clip is None else {"reward_clip_range": (-options.clip, options.clip)}
    return get_group_trainer(context, RLOOTrainer, RLOOConfig, **own, **clip)

"""Group relative policy optimization: sample several answers to a prompt, score them, make the better ones likelier."""

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

FIRST_FOR = ("prompt",)  # of the methods that learn from such rows the one to start with
ARTEFACT = "causal_lm"
REASON = "the rows are prompts whose answers a reward can check, so the model learns from the scores of its own answers"
LEARN = """\
Group relative policy optimization samples several answers to each prompt, scores them with the rewards, and makes
the answers that score above the mean of their group likelier. It strengthens what the model can already do some of
the time; it cannot teach what the model never does. Watch the reward, not the loss: where all answers of a group
score alike, nothing is learned."""
DEFAULT_METRICS = ("mean_reward", "length")


class Settings(GrpoSettings):
    """Options of GRPO."""


def get_trainer(context: Context) -> Trainer:
    """TRL's GRPOTrainer with the loss of the paper: the mean over each completion's tokens, then over completions."""
    return get_grpo_trainer(context, loss_type="grpo")

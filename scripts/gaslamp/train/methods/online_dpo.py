"""Online DPO: sample two answers to each prompt, let rewards pick the better one, and learn from that pair by DPO."""

from __future__ import annotations

import json
from typing import Any, Literal

from gaslamp.train.method import Context
from gaslamp.train.reinforcement import KINDS as KINDS
from gaslamp.train.reinforcement import MAIN_PANELS as MAIN_PANELS
from gaslamp.train.reinforcement import NEEDS as NEEDS
from gaslamp.train.reinforcement import PANELS as PANELS
from gaslamp.train.reinforcement import REFERENCE as REFERENCE
from gaslamp.train.reinforcement import REFERENCE_LABEL as REFERENCE_LABEL
from gaslamp.train.reinforcement import TITLE as TITLE
from gaslamp.train.reinforcement import emit_samples, is_sample_step, prepare
from gaslamp.train.reinforcement import find_run_problems as find_run_problems
from gaslamp.train.reinforcement import find_setting_problems as find_setting_problems
from gaslamp.train.reinforcement import validate as validate
from gaslamp.train.reward_runner import summarize
from gaslamp.train.sampling_settings import SamplingSettings
from gaslamp.train.types import Columns, Trainer
from pydantic import Field

ARTEFACT = "causal_lm"
REASON = "the rows are prompts whose answers a reward can compare, so the model learns from pairs of its own answers"
LEARN = """\
Online DPO samples two answers to each prompt, lets the rewards pick the better one, and trains on that pair as DPO
does. The pairs come from the model as it is now, not from a data set that another model wrote. Watch the rewards,
not the loss."""
PRESET = {"learning_rate": 5e-6, "batch_size": 2, "gradient_accumulation": 4, "epochs": 1, "max_length": 1024}
BY_SIZE = {15: {"learning_rate": 2e-6}}
METRICS = (
    "loss",
    "objective/scores",
    "objective/scores_margin",
    "objective/kl",
    "rewards/accuracies",
    "rewards/margins",
    "val/contain_eos_token",
    "grad_norm",
)
DEFAULT_METRICS = ("mean_reward", "length")


class Settings(SamplingSettings):
    """Options of online DPO."""

    beta: float = Field(
        0.1,
        gt=0,
        le=5,
        description="How closely to stay near the base model: 0.01 allows large changes, 0.5 hardly any; typical 0.1.",
    )
    loss: Literal["sigmoid", "ipo"] = Field("sigmoid", description="sigmoid is DPO; ipo overfits less.")
    missing_eos_penalty: float | None = Field(
        None, gt=0, le=100, description="Taken off the reward of an answer that does not end by itself; null: nothing."
    )


def get_trainer(context: Context) -> Trainer:
    """TRL's (experimental) OnlineDPOTrainer, which logs each reward of ours and emits samples."""
    from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

    options = context.options
    samples, functions, weights = prepare(context)

    class Online(OnlineDPOTrainer):  # type: ignore[misc]
        def _calculate_rewards_from_functions(
            self, prompts: Any, completions: Any, completion_ids_list: Any, **columns: Any
        ) -> Any:
            import torch

            scores = {
                function.__name__: function(prompts=prompts, completions=completions, **columns)
                for function in self.reward_funcs
            }
            for name, value in summarize(scores).items():
                self.stats.setdefault(name, []).append(value)
            self._shown = (
                [context.renderer.render(json.loads(row)["prompt"], generate=True) for row in columns["row"]],
                [turns[-1]["content"] for turns in completions],
                scores,
            )
            totals = [
                sum(weight * value for weight, value in zip(weights, values, strict=True))
                for values in zip(*scores.values(), strict=True)
            ]
            return torch.tensor(totals, dtype=torch.float32, device=self.accelerator.device)

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            super().log(logs, start_time)
            if "loss" in logs and is_sample_step(context, self.state.global_step):
                emit_samples(context, *self._shown, weights)

    Online.__name__ = OnlineDPOTrainer.__name__
    own = {
        "max_new_tokens": options.max_completion_length,
        "max_length": context.settings.train.max_length,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "beta": [options.beta],
        "loss_type": options.loss,
        "missing_eos_penalty": options.missing_eos_penalty,
    }
    return context.make_trainer(
        Online,
        OnlineDPOConfig(**context.arguments, **own, remove_unused_columns=False),
        samples,
        [],
        reward_funcs=functions,
    )


def get_probe_batch(trainer: Trainer, rows: list[Columns]) -> None:
    """None: the trainer samples its answers inside a step, so that the first step is the probe."""

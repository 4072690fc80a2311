"""Options of the methods that sample completions while they train."""

from __future__ import annotations

from pydantic import Field

from gaslamp.config.methods import Settings


class SamplingSettings(Settings):
    """How completions are sampled, and how many of them are shown."""

    max_completion_length: int = Field(
        512, ge=4, le=65536, description="Tokens a completion may have; longer ones are cut and mostly get no reward."
    )
    temperature: float = Field(
        1.0,
        gt=0,
        le=5,
        description="Spread of the completions: without differences there is nothing to learn; typical 0.7 to 1.2.",
    )
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Sample only from the likeliest tokens of this total share; 1: from all, as the theory wants.",
    )
    top_k: int = Field(0, ge=0, le=100_000, description="Sample only from so many tokens; 0: from all.")
    show: int = Field(
        2,
        ge=0,
        le=50,
        description="Completions shown in log and dashboard each time, the best and the worst among them.",
    )
    show_steps: int = Field(10, ge=1, le=10_000, description="They are shown every so many steps, and at the first.")

    @property
    def room(self) -> int:
        """The completion stands within ``train.max_length`` too."""
        return self.max_completion_length


class GroupSettings(SamplingSettings):
    """Settings of the methods that compare several completions of one prompt."""

    num_generations: int = Field(
        8,
        ge=2,
        le=256,
        description="Completions of each prompt that are compared; more give a steadier signal; typical 4 to 16.",
    )


class GrpoSettings(GroupSettings):
    """Settings of GRPO and its variants."""

    beta: float = Field(
        0.0, ge=0, le=1, description="Pull back to the base model; 0: none and no reference model; typical 0 to 0.04."
    )
    epsilon: float = Field(
        0.2, gt=0, lt=1, description="How far one update may move a token's likelihood; typical 0.1 to 0.3."
    )
    epsilon_high: float | None = Field(
        None, gt=0, lt=5, description="The same upwards; null: as epsilon. 0.28 keeps rare tokens alive (clip higher)."
    )
    num_iterations: int = Field(
        1, ge=1, le=64, description="Updates from the same completions; more than 1 saves sampling and goes off policy."
    )
    scale_rewards: bool = Field(
        True, description="Divide by the spread of the group; false: easy and hard prompts weigh as they are."
    )
    mask_truncated: bool = Field(
        False, description="Learn nothing from completions that were cut at max_completion_length."
    )
    fast_inference: bool = Field(
        False,
        description="Sample completions with vLLM on the GPU that trains; needs profile cuda, Unsloth and vllm.",
    )

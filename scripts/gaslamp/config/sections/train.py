"""The section ``train``: hyperparameters, adapter, rewards, checkpoints."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from gaslamp.config.sections.fields import Length, Number, Section, read_auto

REFUSED_STARTS = {
    "loftq": "it starts from the error of a 4-bit base, and the merge here goes onto the 16-bit weights",
    "eva": "it needs the activations of your rows before training, which no step here computes",
    "corda": "it needs the activations of your rows before training, which no step here computes",
    "lora_ga": "it needs gradients of your rows before training, which no step here computes",
    "mica": "it freezes half of the adapter; its merge was never tested here",
}
"""Values of ``init_lora_weights`` that PEFT has, and why they are not taken."""
STARTS = ("default", "gaussian", "orthogonal", "pissa", "olora")
CHANGES_BASE = ("pissa", "olora")
"""Those of them that take the adapter's first values out of the base weights."""


class Lora(Section):
    """The section ``train.lora``."""

    r: int = Field(16, ge=1, le=512, description="Rank: the capacity of the adapter. Typical: 8 to 64.")
    alpha: int = Field(32, ge=1, le=1024, description="The adapter is scaled by alpha / r. Typical: r to 2 r.")
    dropout: Number = Field(0.0, ge=0, lt=1, description="0 is fastest and what most recipes use; typical: 0 to 0.1.")
    target_modules: str | list[str] = Field("all-linear", description="all-linear, or names such as [q_proj, v_proj].")
    use_rslora: bool = Field(
        False,
        description="Scale the adapter by alpha / sqrt(r) instead of alpha / r; for ranks of 64 and more, which learn "
        "too slowly otherwise.",
    )
    use_dora: bool = Field(
        False,
        description="DoRA: also trains the length of each weight vector; learns more at ranks below 16, and is slower.",
    )
    init_lora_weights: str = Field(
        "default",
        description="First values of the adapter: default (no change), gaussian, orthogonal; pissa or olora (from a "
        "decomposition of the weights: learns faster; saved as a plain adapter of twice the rank).",
    )
    modules_to_save: list[str] = Field(
        default_factory=list,
        description="Modules trained in full and saved with the adapter, such as [embed_tokens, lm_head] for new "
        "words; costs 16 bytes of memory for each of their weights.",
    )
    layers_to_transform: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, min_length=1, description="Numbers of the layers that get an adapter, from 0; null: all."
    )
    rank_pattern: dict[str, Annotated[int, Field(ge=1, le=512)]] = Field(
        default_factory=dict,
        description="Another rank for some modules: {down_proj: 32, 0.self_attn.q_proj: 4}.",
    )
    alpha_pattern: dict[str, Annotated[int, Field(ge=1, le=1024)]] = Field(
        default_factory=dict, description="Another alpha for some modules, as in rank_pattern."
    )

    @field_validator("target_modules")
    @classmethod
    def _names_modules(cls, value: str | list[str]) -> str | list[str]:
        if not value or (isinstance(value, list) and not all(value)):
            raise ValueError("name at least one module, such as [q_proj, v_proj], or write all-linear")
        try:
            re.compile(value if isinstance(value, str) else "")
        except re.error as error:
            raise ValueError(f"not a regular expression ({error}); write all-linear or a list of names") from error
        return value

    @field_validator("init_lora_weights")
    @classmethod
    def _is_known_start(cls, value: str) -> str:
        if value in REFUSED_STARTS:
            raise ValueError(f"not built: {REFUSED_STARTS[value]}; use default")
        if value not in STARTS:
            raise ValueError(f"should be {', '.join(STARTS[:-1])} or {STARTS[-1]}")
        return value


class Reward(Section):
    """One reward function, for the methods that learn from rewards."""

    name: str = Field(
        description="A file in the project's rewards/, or a name from scripts/gaslamp/train/rewards.", min_length=1
    )
    weight: Number = Field(
        1.0, ge=-1000, le=1000, description="Factor in the sum of rewards; negative: lower values are better."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Arguments of its score function.")
    label: str | None = Field(
        None,
        min_length=1,
        description="Name of its values in metrics, when one reward is listed twice; null: the reward's name.",
    )


AUTO = ("learning_rate", "gradient_accumulation", "warmup_steps")
"""Keys that also take ``auto``, which means the same as null."""


def _add_auto(schema: dict[str, Any]) -> None:
    for key in AUTO:
        schema["properties"][key]["anyOf"].insert(0, {"const": "auto", "type": "string"})
        schema["properties"][key]["default"] = "auto"


class Train(Section):
    """Where the default is null, the method's preset applies (docs/methods.md lists them;
    get_slice passes on the value). What the preset makes of the size of the base model is filled when it is known.
    """

    model_config = ConfigDict(json_schema_extra=_add_auto)

    learning_rate: Number | None = Field(
        None,
        gt=0,
        le=1,
        description="Typical: 1e-5 to 5e-3 for LoRA (small models take more), 1e-6 to 1e-5 for preferences and "
        "rewards. null: the method's preset for the size of the model.",
    )
    max_steps: int | None = Field(None, ge=1, le=10**9, description="Optimizer steps; null: epochs decide.")
    epochs: Number | None = Field(
        None,
        gt=0,
        le=1000,
        description=(
            "Passes over the training rows. null: the method's preset (sft: 1, or up to 5 until 400 rows were seen)."
        ),
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        le=1024,
        description=(
            "Rows in one forward pass; on a CPU small batches learn most in the same time. null: the method's preset."
        ),
    )
    gradient_accumulation: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Forward passes for one optimizer step. null: the method's preset for the size.",
    )
    max_length: Length = Field(
        "auto",
        description="Longest row in tokens; longer rows are left out of training. auto: decided in the data phase by "
        "your longest row, the model's context and memory; null: the method's preset.",
    )
    thinking: Literal["auto", "keep", "empty", "off"] = Field(
        "auto",
        description="What becomes of thoughts (<think> ... </think>, reasoning_content) in front of answers. keep: "
        "learnt; empty: left out, with an empty block where the chat template writes one; off: the prompt is the "
        "template's own for no thinking. auto: keep when your rows hold thoughts, else empty.",
    )
    packing: bool | None = Field(
        None,
        description="Several rows in one sequence, each attending only to itself: less padding for short rows (sft, "
        "cpt). null: the method's preset.",
    )
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] | None = Field(
        None, description="How the learning rate decays. null: the method's preset."
    )
    warmup_steps: int | None = Field(
        None,
        ge=0,
        description="Steps in which the learning rate rises from 0. null: the method's preset for the model's size.",
    )
    adam_beta2: Number | None = Field(
        None,
        gt=0,
        lt=1,
        description="Second-moment decay of the optimizer: 0.95 suits hundreds of steps, 0.999 tens of thousands. "
        "null: the method's preset.",
    )
    weight_decay: Number | None = Field(
        None, ge=0, le=1, description="Pulls the weights towards zero; typical: 0 to 0.1. null: the method's preset."
    )
    max_grad_norm: Number | None = Field(
        None, gt=0, description="Gradients with a larger norm are clipped to it. null: the method's preset."
    )
    seed: int = Field(3407, ge=0, lt=2**32, description="Seed of the row order and of the adapter's initial weights.")
    seeds: int = Field(
        1,
        ge=1,
        le=10,
        description="Trainings that differ in their seed alone (seed, seed + 1 ...): the verdict then rests on their "
        "mean and spread, and the first one is shipped. Each takes as long as the first.",
    )
    share: Number = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the training rows that are learnt; a smaller share is a part of a larger one "
        "(make learning-curve).",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="auto: the best one for the backend (cpu: bfloat16 where the processor gains by it, else float32); "
        "the choice and its reason are recorded.",
    )
    gradient_checkpointing: bool | None = Field(
        None, description="Less memory for about a third more time. null: the method's preset."
    )
    engine: Literal["unsloth", "trl"] = Field(
        "unsloth",
        description="Training library on an NVIDIA GPU: Unsloth's kernels, or plain TRL and PEFT. Other backends have "
        "one engine and ignore this key.",
    )
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description=(
            "Processes of one training (cuda: one for each GPU of this machine); multiplies the effective batch size."
        ),
    )
    quantization: Literal["auto", "none", "8bit", "4bit"] = Field(
        "auto",
        description="Precision of the frozen base weights during training (cuda, mac): 4bit is QLoRA, a third of the "
        "memory; its adapter is merged into 16-bit weights. auto: none, and on cuda 4bit where 16-bit "
        "weights do not fit.",
    )
    choose: (
        list[Literal["batch_size", "gradient_accumulation", "packing", "gradient_checkpointing", "quantization"]] | None
    ) = Field(
        None,
        description="cuda: the settings that are chosen by GPU memory, model and row lengths, at the same effective "
        "batch size; null: all of these that you left null or auto; []: none, presets apply.",
    )
    adapter: Literal["lora", "none"] = Field(
        "lora",
        description="lora: a small adapter, base weights frozen; none: full fine-tuning (sft, cpt, dpo), about 16 "
        "bytes of memory for each weight.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the method; docs/methods.md lists them with their ranges."
    )
    rewards: list[Reward] = Field(
        default_factory=list,
        description="Reward functions that score completions, for the methods that learn from rewards.",
    )
    on_oom: Literal["propose", "adapt"] = Field(
        "propose",
        description="When memory runs out. propose: stop and name the next setting to try; adapt: apply it, continue, "
        "and record it.",
    )
    report_to: list[Literal["trackio", "tensorboard", "wandb", "mlflow"]] = Field(
        default_factory=list,
        description="Trackers that receive the metrics as well; nothing leaves this machine unless you name one here.",
    )
    save_minutes: Number = Field(
        1.0, gt=0, le=600, description="Longest time between checkpoints: the most that an interruption can cost."
    )
    save_steps: int | None = Field(None, ge=1, description="Also save a checkpoint every so many steps.")
    keep: Literal["last", "best"] = Field(
        "last",
        description="Which weights are the result: those of the last step, or those with the lowest validation loss.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=100,
        description="End the training after so many measurements of the validation loss (ten in all) without a lower "
        "one; null: train to the end.",
    )
    valid_rows: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Validation rows of each of these measurements; null: as many as 5 % of the training's computing "
        "allow, 4 to 256, and 32 at least where they choose the weights.",
    )
    lora: Lora = Field(default_factory=Lora, description="The adapter.")  # type: ignore[arg-type]

    @field_validator(*AUTO, mode="before")
    @classmethod
    def _read_auto(cls, value: object) -> object:
        return read_auto(value)


CHOSEN = ("batch_size", "gradient_accumulation", "packing", "gradient_checkpointing", "quantization")
"""What ``choose`` may name."""
SPLIT = ("batch_size", "gradient_accumulation")
"""Chosen only together: their product, the effective batch size, stays the same."""
NO_REASON_TO_TRAIN = ("save_minutes", "save_steps", "report_to", "on_oom", "thinking", "seeds")
"""Settings that change nothing in the trained weights, or only through data/template.json (thinking), or in runs of
their own (seeds): editing one does not train again by itself."""

"""The section ``eval``: metrics, sampling, gates."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from gaslamp.config.sections.endpoint import Endpoint
from gaslamp.config.sections.fields import Number, Section

BaselineName = Literal["majority", "copy", "nearest", "few_shot", "format"]


class Sampling(Section):
    """The section ``eval.sampling``."""

    temperature: Number = Field(
        0.0,
        ge=0,
        le=2,
        description="0: greedy decoding; above: sampled, with a seed for each row.",
    )
    top_p: Number = Field(
        1.0,
        gt=0,
        le=1,
        description="Sample from the most likely tokens that hold this share of the probability; 1: all.",
    )
    seed: int = Field(
        3407, ge=0, lt=2**32, description="Seed of sampling; a row's result does not depend on the batch size."
    )


class Eval(Section):
    """The section ``eval``."""

    metrics: list[str] = Field(
        default_factory=list,
        description="Names from scripts/gaslamp/evaluate/metrics or the project's metrics/; empty: chosen by method "
        "and data. The first one decides the verdict.",
    )
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description=(
            "Options of metrics by name, e.g. {regex: {pattern: '^[A-Z]+$'}}; each metric's file lists its own."
        ),
    )
    max_new_tokens: int | None = Field(
        None,
        ge=1,
        le=32768,
        description="Longest answer in tokens; null: a little more than the longest reference answer of the test rows.",
    )
    sampling: Sampling = Field(  # type: ignore[arg-type]
        default_factory=Sampling, description="Generation settings; recorded with the scores."
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Rows generated together; null: as many as fit, found by probing. Halved when memory runs out.",
    )
    confidence: Number = Field(0.95, gt=0.5, lt=1, description="Confidence level of every interval and test.")
    min_gain: Number = Field(
        0.0, ge=0, description="Smallest gain of the first metric that counts as better, however significant."
    )
    min_score: Number | None = Field(
        None,
        description="Lowest score of the tuned model, by the first metric, that passes; null: being better is enough.",
    )
    baselines: Literal["auto"] | list[BaselineName] = Field(
        "auto",
        description="Rivals that need no training, scored next to tuned: majority (the most frequent training answer), "
        "copy (the question), nearest (the answer of the nearest training row), few_shot and format (the base model "
        "with training rows, or with the wanted format, in its prompt); auto: all but format, few_shot where it takes "
        "less than baseline_minutes; []: none.",
    )
    baseline_rows: int = Field(4, ge=1, le=64, description="Training rows in the prompt of few_shot.")
    baseline_minutes: Number = Field(
        10,
        ge=0,
        description="auto leaves few_shot out when the base model took longer than this for the test rows.",
    )
    slices: list[str] = Field(
        default_factory=list,
        description="Further columns whose values are scored separately, in addition to data.slice.",
    )
    retention: bool = Field(
        True, description="Also compare base and tuned model on general questions, to measure forgetting."
    )
    retention_file: str | None = Field(
        None,
        description="Your own retention questions in addition to the built-in ones: JSON lines with question (or "
        "messages) and accept, a list of words.",
    )
    max_forgetting: Number = Field(
        0.3, ge=0, le=1, description="Largest drop of the retention score (a share) before forgetting_gate applies."
    )
    forgetting_gate: Literal["block", "warn"] = Field(
        "warn",
        description="block: a model that forgot more is not exported; warn: it is, and every page shows a warning.",
    )
    lm_eval: list[str] = Field(
        default_factory=list,
        description="Tasks of lm-evaluation-harness for base and tuned model (extra lm-eval): its names, or files in "
        "the project's tasks/.",
    )
    lm_eval_limit: int | None = Field(None, ge=1, description="Questions of each of these tasks; null: all.")
    gate: Literal["block", "warn"] = Field(
        "block", description="block: a model that is not better than the base model is not exported."
    )
    target: str = Field(
        "adapter",
        description="Also compare base against merged, a level such as q4_k_m, or endpoint, on the same test rows; "
        "adapter: nothing more.",
    )
    endpoint: Endpoint = Field(default_factory=Endpoint, description="The server for target: endpoint.")  # type: ignore[arg-type]

"""The JSON files of the export: what it made, what each quantization level is worth, whether it is the same model."""

from __future__ import annotations

from pydantic import BaseModel, Field

from gaslamp.core.artefact import Artefact, Score

OTHERS_PERCENT = 20.0
"""Of the processor: where other programs use more of it meanwhile, a speed says little."""


def describe_others(percent: float | None) -> str:
    """What to say next to a speed that was measured while other programs used ``percent`` of the processor."""
    return f"other programs used {percent:.0f} % of the processor" if percent and percent > OTHERS_PERCENT else ""


class Level(BaseModel):
    """One rung of the ladder."""

    level: str
    file: str
    size_bytes: int
    bits_per_weight: float
    score: Score
    slices: dict[str, Score] = Field(default_factory=dict)
    # share of rows with the outcome of f16: the answer, the rank of the right text, which answer is scored higher
    same_as_f16: float
    stop_rate: float
    seconds: float
    within_tolerance: bool
    load_seconds: float | None = None  # until the server answers
    prompt_tps: float | None = None  # tokens read a second
    gen_tps: float | None = None  # tokens written a second
    peak_memory_gb: float | None = None  # with 512 tokens read and 128 written
    others_percent: float | None = None  # of the processor, used by other programs while the speed was measured
    perplexity: float | None = None  # on the words of the test rows; None: too little text
    perplexity_error: float | None = None
    kl_divergence: float | None = None  # mean, nats a token, against f16
    kl_error: float | None = None
    same_top: float | None = None  # share of positions with the same most likely token as f16
    imatrix: bool = False  # quantized with an importance matrix


class Ladder(Artefact):
    """outputs/<run>/gguf/ladder.json: every quantization level, scored on the test set."""

    metric: str
    title: str = ""  # of the metric, as a person reads it
    unit: str = "share"  # of its values, as in MetricResult
    tolerance: float
    tuned: Score | None  # the evaluated adapter by the same metric; null where the evaluation did not have it
    levels: list[Level]
    recommended: str
    reason: str


class ParityCheck(BaseModel):
    """One check of the parity gate."""

    name: str
    artefact: str
    passed: bool
    detail: str  # figures, or the first difference
    cause: str | None = None  # what usually causes it
    fix: str | None = None  # what usually helps


class Parity(Artefact):
    """outputs/<run>/gguf/parity.json: is the model that ships the model that was evaluated?"""

    passed: bool
    summary: str
    prompts: int
    checks: list[ParityCheck]
    override: str | None = None


class Bench(Artefact):
    """outputs/<run>/gguf/bench.json: what each level costs and loses on this machine."""

    levels: dict[str, dict[str, float]]
    """level -> load_seconds, peak_memory_gb, others_percent (see Level), prompt_tps, prompt_stddev, gen_tps, gen_stddev
    (tokens/s); with enough text perplexity, perplexity_error, kl_divergence, kl_error, same_top (see Level)."""
    n_prompt: int
    n_gen: int
    threads: int
    perplexity_tokens: int = 0  # predicted for perplexity and KL divergence


class BaseFile(Artefact):
    """outputs/<run>/base.json: the base model's own file in the user's cache, or why there is none."""

    level: str
    file: str | None = None
    mmproj: str | None = None  # of a vision model
    size_bytes: int
    agreement: dict[str, dict[str, int]] = Field(default_factory=dict)  # level -> rows; tokens compared, same
    reason: str = ""


class LoraFile(Artefact):
    """outputs/<run>/lora/lora.json: the adapter as a GGUF file, or why there is none."""

    file: str | None
    scale: float  # at which it is exactly what was trained
    size_bytes: int
    reason: str = ""

"""Every JSON file that one phase writes and another reads: versioned, checked on reading, written atomically.

Facts are JSON; prose is rendered from them. Nothing reads Markdown back to learn a fact.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gaslamp.core.artefact import Artefact as Artefact
from gaslamp.core.artefact import Provenance as Provenance
from gaslamp.core.artefact import Score as Score
from gaslamp.core.artefact import get_versions as get_versions
from gaslamp.core.artefact import now as now
from gaslamp.core.decisions import Decision, Decisions
from gaslamp.core.evaluation_contracts import Baseline as Baseline
from gaslamp.core.evaluation_contracts import Spread as Spread
from gaslamp.core.export_contracts import BaseFile as BaseFile
from gaslamp.core.export_contracts import Bench as Bench
from gaslamp.core.export_contracts import Ladder as Ladder
from gaslamp.core.export_contracts import Level as Level
from gaslamp.core.export_contracts import LoraFile as LoraFile
from gaslamp.core.export_contracts import Parity as Parity
from gaslamp.core.export_contracts import ParityCheck as ParityCheck
from gaslamp.core.files import JsonObject
from gaslamp.core.finding import Advice, Finding
from gaslamp.core.power import describe_power


class Start(BaseModel):
    """A trained result that was merged into the model that a run starts from (``model.adapter``, ``stages``)."""

    label: str  # project/run, or the name of the adapter's folder
    folder: str  # where it is on this machine
    base: str  # what it was trained on
    base_sha256: str  # of those weights
    adapter_sha256: str
    template_sha256: str | None = None  # of the chat template that it was trained with; None: not recorded
    method: str | None = None
    metric: str | None = None  # the first one of its evaluation; None: not evaluated
    base_score: Score | None = None
    score: Score | None = None
    unit: str = "share"
    verdict: str | None = None


class ModelFacts(Artefact):
    """resources/models/<name>/model.json: where the base model stands and what it is."""

    name: str
    source: str
    path: str  # folder with a Hugging Face checkpoint
    revision: str | None = None
    sha256: str  # of the weights
    license: str | None = None  # identifier of the hub, as the model's card names it
    license_name: str | None = None  # of a licence without an identifier
    license_link: str | None = None
    languages: list[str] = Field(default_factory=list)  # that the model's card lists
    base_models: list[str] = Field(default_factory=list)  # that it was made from
    architecture: str
    parameters: int
    dtype: str
    context: int | None = None
    size_bytes: int
    starts: list[Start] = Field(default_factory=list)  # what was merged into the base model, first things first

    @property
    def root(self) -> str:
        """``model.source`` of the base model that everything began with."""
        return self.starts[0].base if self.starts else self.source


class Template(Artefact):
    """data/template.json: the one place that knows how a prompt becomes tokens."""

    chat_template: str
    sha256: str  # of chat_template
    thinking: str = "keep"  # what becomes of thoughts: models.thinking.MODES
    decisions: Decisions = Field(default_factory=list)  # what was pinned in chat_template, and what becomes of thoughts
    bos_token: str | None
    eos_token: str
    pad_token: str
    bos_id: int | None
    eos_id: int
    pad_id: int
    stop_ids: list[int]  # generation ends at any of these
    stop_tokens: list[str]
    example_text: str  # one training row, rendered
    example_ids: list[int]
    example_trained: list[bool]  # which of example_ids carry loss


class Card(Artefact):
    """data/card.json: what the training data is."""

    source: str
    format: str
    kind: str = "conversation"  # of rows.KINDS: what data/*.jsonl hold
    mapping: dict[str, str | list[str]]  # role -> column that was read, or several that were joined
    decisions: Decisions = Field(default_factory=list)  # what the columns mean, and why
    alternatives: list[str] = Field(default_factory=list)  # what else they could mean, best first
    unused: dict[str, bool] = Field(default_factory=dict)  # column that nothing reads -> it holds information
    rows: dict[str, int]  # train, valid, test, read, dropped_duplicates
    sha256: dict[str, str]  # train, valid, test
    tokens: dict[str, dict[str, float]]  # total | prompt | completion -> p50, p95, max
    histogram: list[dict[str, int]] = Field(default_factory=list)  # all rows by length in tokens: from, to, rows
    trained_tokens: int
    max_length: int
    truncated: int  # rows over max_length
    classes: dict[str, dict[str, int]] = Field(default_factory=dict)  # answer -> split -> rows; of a few short answers
    slices: dict[str, int]  # value -> test rows
    generated: JsonObject = Field(default_factory=dict)  # of rows that a model wrote: model, licence, split -> rows
    warnings: list[str]
    checks: list[JsonObject] = Field(
        default_factory=list
    )  # data.checking.Check.dump(): name, severity, count, findings ...
    answers: Literal["json", "text"]  # what the reference answers look like
    system: str | None = None  # the system prompt that all test rows share: what a served model must be given too
    system_as_user: bool = False  # it is the beginning of the first user turn, with an empty line after it

    @property
    def power(self) -> str:
        """What so many test rows can show, as a sentence; empty for rows that have no right or wrong answer."""
        return "" if self.kind == "text" or not self.rows.get("test") else describe_power(self.rows["test"])

    @property
    def columns(self) -> dict[str, str]:
        """Role -> the columns that it reads, as text: ``Subject + Body``."""
        return {role: " + ".join(name) if isinstance(name, list) else name for role, name in self.mapping.items()}


class Elsewhere(BaseModel):
    """A step that ran on another machine."""

    profile: str  # of the run here: ssh, colab
    machine: str  # in words
    seconds: float  # that the step itself ran there, in its last start; without sending, waiting and bringing home


class TrainFacts(Artefact):
    """outputs/<run>/train.json: what training did."""

    backend: str
    method: str
    device: str
    dtype: str
    decisions: Decisions  # every automatic choice, with its reason
    steps: int
    epochs: float
    train_rows: int
    trained_tokens: int
    loss_first: float  # of the first step
    loss_last: float  # smoothed: mean of the last tenth of the steps (train.history.get_smoothed)
    valid_loss_first: float | None = None  # before the first step
    valid_loss_last: float | None = None  # after the last step
    valid_loss_kept: float | None = None  # of the weights that are the result: the last, or the lowest (train.keep)
    kept_step: int | None = None  # of these weights; None: a file of an earlier version
    findings: list[Finding] = Field(default_factory=list)  # what is wrong, the most certain first
    seconds: float  # over all attempts
    seconds_per_step: float
    tokens_per_second: float
    peak_memory_gb: float  # resident (cpu, mac) or device memory (cuda)
    probe: dict[str, float] = Field(
        default_factory=dict
    )  # probe step on the longest batch: tokens, seconds, peak_memory_gb
    attempts: int = 1  # 1 = never interrupted
    resumed_from: list[int] = Field(default_factory=list)
    trainable_parameters: int
    total_parameters: int
    adapter_sha256: str
    starts: list[Start] = Field(default_factory=list)  # what the model that was trained contained already
    elsewhere: Elsewhere | None = None  # None: it trained on this machine
    settings: JsonObject = Field(default_factory=dict)
    """Section ``train`` of the config as it trained: presets filled in, after any out-of-memory step."""


class Example(BaseModel):
    """One test row with both answers."""

    id: str
    prompt: list[JsonObject]  # turns with role and content; content is text, what is no text stands in brackets
    reference: str
    rated_bad: bool = False  # the reference is an answer that the data rates bad: not what is expected
    base: str
    tuned: str
    base_score: float | None  # of the first metric; None: it cannot judge this row
    tuned_score: float | None
    change: Literal["improved", "comparable", "regressed"]
    mistakes: list[str] = Field(default_factory=list)  # what is wrong with the answer of tuned; empty: it is right
    slice: str | None = None
    scores: dict[str, list[float | None]] = Field(default_factory=dict)  # metric -> [base, tuned]
    columns: dict[str, str | int | float | bool | None] = Field(default_factory=dict)  # the user's
    images: list[str] = Field(default_factory=list)  # paths relative to data/
    near: str | None = None  # the training row that asks nearly the same, and how alike they are
    rewards: dict[str, list[float]] = Field(default_factory=dict)  # part of the reward -> [base, tuned]


class MetricResult(BaseModel):
    """One metric of base and tuned model."""

    name: str
    title: str
    base: Score
    tuned: Score
    p_value: float  # paired test, base against tuned
    p_adjusted: float | None = None  # when all metrics are looked at (Holm); None: the deciding one
    difference: Score | None = None  # tuned minus base, with a paired bootstrap interval
    higher: bool | None = True  # more is better; False: less is; None: neither
    unit: str = "share"  # share | number | points | seconds | tokens | nats: how values are shown
    test: str = ""  # which paired test
    about: str = ""  # what it measures, in a sentence
    fault: str = ""  # why its scores say nothing, as a sentence
    slices: dict[str, dict[str, Score]] = Field(default_factory=dict)  # slice -> base | tuned -> Score
    slice_p: dict[str, float] = Field(default_factory=dict)  # slice -> p when all slices are looked at (Holm)
    details: JsonObject = Field(default_factory=dict)  # base | tuned -> the metric's own report


class Compare(Artefact):
    """outputs/<run>/eval/compare.json: base against tuned."""

    n: int
    kind: str = "conversation"  # of the rows, as in gaslamp.data.rows
    target: str = "adapter"  # what was judged against base
    confidence: float
    sampling: JsonObject = Field(default_factory=dict)  # how answers were made
    metrics: list[MetricResult]  # the first decides
    deciding: Decision | None = None  # the metric that decides, and why; None: written before version 0.3
    first: str = ""  # the metric that eval.metrics or the rows put first: what eval.min_score is about
    baselines: list[Baseline] = Field(default_factory=list)  # rivals of tuned that need no training
    seeds: Spread | None = None  # the same training with other seeds; None: one seed
    findings: list[Finding] = Field(default_factory=list)  # what is wrong with the answers, the most certain first
    stop_rate: dict[str, float]  # base | tuned -> share of answers that say something and ended by themselves
    retention: dict[str, Score] = Field(default_factory=dict)  # base | tuned
    retention_lost: list[str] = Field(default_factory=list)  # questions base knew and tuned does not
    lm_eval: dict[str, dict[str, Score]] = Field(default_factory=dict)  # task, metric -> base | tuned
    near_duplicates: int = 0  # test rows that ask nearly what a training row asks
    identical: int = 0  # rows to which both gave the very same answer
    gained: int
    lost: int
    wrong: int = 0  # rows that tuned gets wrong by the deciding metric
    mistakes: list[tuple[str, int]] = Field(default_factory=list)  # what is wrong, and in how many rows; most first
    next_steps: list[str] = Field(default_factory=list)  # what to try against the most frequent mistakes
    worst: list[str] = Field(default_factory=list)  # ids of the wrong rows with the lowest tuned scores
    examples: list[Example]
    verdict: Literal["better", "no clear difference", "worse"]
    answer: str = ""  # the verdict in words, against base and the baselines; the headline begins with it
    headline: str
    seconds: dict[str, float]  # base | tuned -> generation time

    @property
    def unbeaten(self) -> list[Baseline]:
        """The baselines that tuned is not better than by more than chance."""
        return [one for one in self.baselines if one.score and one.outcome != "beaten"]


class StageFacts(BaseModel):
    """One stage: what it was trained on, and what it changed."""

    name: str
    method: str
    source: str  # of its data
    rows: dict[str, int]
    steps: int
    loss_first: float
    loss_last: float
    adapter_sha256: str
    settings: JsonObject = Field(default_factory=dict)  # section train, as it trained
    config: JsonObject = Field(default_factory=dict)  # of an earlier stage: method, model, data and eval, complete
    metrics: list[MetricResult]  # before (base) and after (tuned) it, on the test rows of the last stage
    own: MetricResult | None = None  # first metric on its own test rows; None: the last stage
    own_verdict: str | None = None


class Stages(Artefact):
    """outputs/<run>/eval/stages.json: what each stage gave."""

    n: int  # test rows of the last stage
    stages: list[StageFacts]  # first things first


class Verdict(BaseModel):
    """outputs/<run>/eval/verdict.json and other gates: no clock inside, so that an equal verdict reruns nothing."""

    model_config = ConfigDict(extra="forbid")
    schema_version: int = 1
    passed: bool
    verdict: str
    summary: str  # one line
    blocking: list[str]
    warnings: list[str]
    advice: list[str] = Field(default_factory=list)  # what to try, first things first
    tries: list[Advice] = Field(default_factory=list)  # the same with the changes of the config: make try N=1
    later: list[Advice] = Field(default_factory=list)  # what comes after these, in order
    override: str | None = None  # the config key that lets a failed gate pass


class Preflight(Artefact):
    """outputs/env/preflight.json: may this machine start? Written only when it may."""

    backend: str
    summary: str
    warnings: list[str]
    disk_needed_gb: dict[str, float]  # part -> GB
    disk_free_gb: float
    memory_needed_gb: float
    memory_free_gb: float
    fit: Literal["fits", "tight", "exceeds", "unknown"]
    choice: Decisions = Field(default_factory=list)  # cuda: setting left open -> what would be taken, and why
    power: str = ""  # what the test rows can show; empty before the first data phase

"""The config of a project: every key with its reason and range, checked all at once, with the line and the nearest key.

``config.yaml`` is read by Snakemake, validated here, and cut into slices that travel to the scripts as ``--settings``
JSON. The JSON schema for editors (``workflow/schemas/config.schema.json``) is generated from these models.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import json
import re
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from gaslamp.config import levels
from gaslamp.core.errors import GaslampError

Backend = Literal["cpu", "cuda", "mac", "mps", "colab"]


def _check_level(value: str) -> str:
    """One of llama-quantize's names; f16 is always made and therefore no choice."""
    known = [name for name in levels.ALL if name != "f16"]
    if value in known:
        return value
    if value == "f16":
        raise ValueError("f16 is always made: leave it out")
    near = difflib.get_close_matches(value.lower(), known, n=1, cutoff=0.5)
    raise ValueError(
        f"there is no such level; {f'did you mean {near[0]}?' if near else f'choose from: {chr(32).join(known)}'}"
    )


Level = Annotated[
    str,
    AfterValidator(_check_level),
    WithJsonSchema({"type": "string", "enum": [name for name in levels.ALL if name != "f16"]}),
]


def _read_exponent(value: Any) -> Any:
    """``2e-4`` as a number: YAML 1.1 wants ``2.0e-4`` and hands anything shorter on as text."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value) else value


def _read_off(value: Any) -> Any:
    """A bare ``off``, which YAML 1.1 reads as false."""
    return "off" if value is False else value


Number = Annotated[float, BeforeValidator(_read_exponent)]


class Section(BaseModel):
    """A part of the config: unknown keys are errors, values are never bent into shape."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Project(Section):
    name: str = Field(
        "gaslamp", description="Short name; shown on pages and used as the served model's alias.", min_length=1
    )
    task: str = Field("", description="What the model shall do, in one sentence.")
    audience: str = Field("", description="Who uses it; the demo speaks to them.")
    domain: Literal[
        "general", "support", "health", "finance", "legal", "education", "code", "math", "science", "security"
    ] = Field("general", description="Field of the audience; decides colours and tone of the demo.")


class Model(Section):
    source: str = Field(
        "embedded:smollm2-135m-instruct",
        description="embedded:NAME, a folder with a Hugging Face checkpoint, or a hub id such as org/name.",
        min_length=1,
    )
    revision: str | None = Field(
        None, description="Commit or tag of a hub id; null takes main and records the commit found."
    )


class Split(Section):
    valid: Number = Field(0.05, ge=0, le=0.5, description="Share of rows for validation loss.")
    test: Number = Field(0.15, gt=0, le=0.5, description="Share of rows that only evaluation sees.")
    seed: int = Field(3407, ge=0, description="Changes which rows go where; rows never move when others are added.")
    max_test: int = Field(
        200, ge=10, description="More test rows than this are left out: 200 give an interval of about 4 points."
    )


class CheckSettings(Section):
    severity: Annotated[Literal["block", "warn", "off"] | None, BeforeValidator(_read_off)] = Field(
        None, description="block stops the run, warn only tells, off does not look; null: the check's own."
    )
    max_percentage: Number | None = Field(
        None,
        ge=0,
        le=100,
        description="Findings for 100 rows up to which a blocking check only warns; null: the check's own.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="What this check can be told besides; see its file."
    )


class Speech(Section):
    codec: str | None = Field(
        None,
        description="Turns recordings into tokens and back: a folder or hub id of a DAC or Mimi model, the one the base model was made with.",
    )
    tokens: str = Field(
        "<|c{book}_{code}|>",
        description="The base model's token for a code: {book} from 1 and {code} from 0, or {number} = first + (book - 1) * size + code.",
    )
    codebooks: int | None = Field(
        None, ge=1, le=64, description="How many of the codec's code books, the coarsest first; null: all."
    )
    first: int = Field(0, ge=0, description="The number of the first code, where tokens has {number}.")

    @field_validator("tokens")
    @classmethod
    def _tokens_tell_codes(cls, value: str) -> str:
        names = set(re.findall(r"{(\w*)}", value))
        if names not in ({"book", "code"}, {"number"}):
            raise ValueError(
                f"'{value}' must hold {{book}} and {{code}}, or {{number}}: which token is meant could not be told"
            )
        return value


class Data(Section):
    source: str = Field(
        "embedded:orders_json",
        description="A file, a folder of files, a saved data set, a hub id (org/name), or embedded:NAME.",
        min_length=1,
    )
    sql: str | None = Field(
        None,
        description="A DuckDB query over the table `source`, e.g. SELECT question, answer FROM source WHERE lang = 'en'.",
    )
    subset: str | None = Field(None, description="Subset (configuration) of a hub set.")
    hub_split: str | None = Field(
        None, description="Split of a hub set, e.g. train[:5000]; null: all, obeyed as splits when there is a test one."
    )
    revision: str | None = Field(
        None, description="Commit or tag of a hub set; null takes main and records the commit found."
    )
    format: str = Field(
        "auto", description="A name from scripts/gaslamp/data/formats, or auto to find it by the columns."
    )
    columns: dict[str, str] = Field(
        default_factory=dict, description="Your column for each role, e.g. {prompt: question, completion: answer}."
    )
    system: str | None = Field(None, description="System prompt put before every row that has none of its own.")
    split: Split = Field(default_factory=Split, description="How rows are divided.")  # type: ignore[arg-type]
    rehearsal: float = Field(
        0.05,
        ge=0,
        le=1,
        description="General talk mixed into training, as a share of its rows (40 rows at most): keeps what the model knew. 0: none.",
    )
    slice: str = Field("slice", description="Column whose values are scored apart in the evaluation, when it exists.")
    max_truncated: Number = Field(
        0.0, ge=0, le=1, description="Share of rows that may be longer than train.max_length before the run stops."
    )
    redact: bool = Field(
        False,
        description="Put [EMAIL], [PHONE], [API KEY] ... where the checks personal_data and secrets find something.",
    )
    group: str = Field("group", description="Column whose equal values stay in one split, when it exists.")
    checks: dict[str, CheckSettings] = Field(
        default_factory=dict,
        description="A name from scripts/gaslamp/data/checks -> severity, max_percentage, options.",
    )
    speech: Speech = Field(default_factory=Speech, description="Recordings, for the method tts.")  # type: ignore[arg-type]

    @field_validator("checks")
    @classmethod
    def _checks_exist(cls, value: dict[str, CheckSettings]) -> dict[str, CheckSettings]:
        from gaslamp.core import registry

        unknown = sorted(set(value) - set(registry.names("checks")))
        if unknown:
            raise ValueError(f"there is no check {', '.join(unknown)} (built: {', '.join(registry.names('checks'))})")
        return value


class Lora(Section):
    r: int = Field(16, ge=1, le=512, description="Rank: capacity of the adapter. Typical 8 to 64.")
    alpha: int = Field(32, ge=1, le=1024, description="Scale is alpha / r. Typical r to 2 r.")
    dropout: Number = Field(0.0, ge=0, lt=1, description="0 is fastest and what most recipes use; typical 0 to 0.1.")
    target_modules: str | list[str] = Field("all-linear", description="all-linear, or names such as [q_proj, v_proj].")


class Reward(Section):
    """One judge of answers, for the methods that learn from rewards."""

    name: str = Field(
        description="A file in rewards/ of the project, or a name from scripts/gaslamp/train/rewards.", min_length=1
    )
    weight: Number = Field(1.0, ge=-1000, le=1000, description="Its share in the sum; negative: less of it is better.")
    options: dict[str, Any] = Field(default_factory=dict, description="Arguments of its score function.")
    label: str | None = Field(
        None,
        min_length=1,
        description="What its values are called, where one reward stands there twice; null: its name.",
    )


class Train(Section):
    """Where the default is null, the method's preset decides (docs/methods.md lists them; get_slice hands on the value)."""

    learning_rate: Number | None = Field(
        None,
        gt=0,
        le=1,
        description="Typical 1e-5 to 5e-3 for LoRA (small models take more), 1e-6 to 1e-5 for preferences and rewards. null: the method's preset.",
    )
    max_steps: int | None = Field(None, ge=1, description="Optimizer steps; null means epochs decide.")
    epochs: Number | None = Field(
        None,
        gt=0,
        le=1000,
        description="Passes over the training rows; null: the method's preset (sft: 1, or up to 5 until 400 rows were seen).",
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Rows in one forward pass; small ones learn most for the same work on a CPU. null: the method's preset.",
    )
    gradient_accumulation: int | None = Field(
        None, ge=1, le=1024, description="Forward passes for one optimizer step. null: the method's preset."
    )
    max_length: int | None = Field(
        None,
        ge=8,
        le=1_048_576,
        description="Tokens of a row; longer rows count as truncated. null: the method's preset.",
    )
    packing: bool | None = Field(
        None,
        description="Several rows in one sequence, each seeing only itself: less padding for short rows (sft, cpt). null: the method's preset.",
    )
    scheduler: Literal["cosine", "linear", "constant", "constant_with_warmup"] | None = Field(
        None, description="How the learning rate falls. null: the method's preset."
    )
    warmup_steps: int | None = Field(
        None, ge=0, description="Steps in which the learning rate rises from 0. null: the method's preset."
    )
    adam_beta2: Number | None = Field(
        None,
        gt=0,
        lt=1,
        description="Memory of the optimizer: 0.95 suits hundreds of steps, 0.999 tens of thousands. null: the method's preset.",
    )
    weight_decay: Number | None = Field(
        None, ge=0, le=1, description="Pulls the weights towards zero; typical 0 to 0.1. null: the method's preset."
    )
    max_grad_norm: Number | None = Field(
        None, gt=0, description="Longer gradients are scaled down to this length. null: the method's preset."
    )
    seed: int = Field(3407, ge=0, description="Order of the rows and start of the adapter.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: what the backend does best (cpu: float32); the choice and its reason are recorded."
    )
    gradient_checkpointing: bool | None = Field(
        None, description="Less memory for about a third more time. null: the method's preset."
    )
    engine: Literal["unsloth", "trl"] = Field(
        "unsloth",
        description="What trains on an NVIDIA GPU: Unsloth's kernels, or plain TRL and PEFT. Other backends have one engine and ignore it.",
    )
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes of one training (cuda: one for each GPU of this machine); a step sees so many times the rows.",
    )
    quantization: Literal["auto", "none", "8bit", "4bit"] = Field(
        "auto",
        description="How the frozen base weights are held while training (cuda, mac): 4bit is QLoRA, a third of the memory; it is merged onto 16-bit weights. "
        "auto: none, and on cuda 4bit where 16-bit weights do not fit.",
    )
    choose: (
        list[Literal["batch_size", "gradient_accumulation", "packing", "gradient_checkpointing", "quantization"]] | None
    ) = Field(
        None,
        description="cuda: what is chosen by GPU memory, model and lengths of the rows, keeping the rows of a step; null: of these all that you left null or auto; "
        "[]: nothing, presets count.",
    )
    adapter: Literal["lora", "none"] = Field(
        "lora",
        description="lora: a small adapter beside frozen weights; none: every weight is trained (sft, cpt, dpo), about 16 bytes of memory for each.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="The method's own settings; docs/methods.md lists them with their ranges."
    )
    rewards: list[Reward] = Field(
        default_factory=list, description="What judges the answers, for the methods that learn from rewards."
    )
    on_oom: Literal["propose", "adapt"] = Field(
        "propose",
        description="When memory runs out. propose: stop and name the next thing to try; adapt: try it at once, and record it.",
    )
    report_to: list[Literal["trackio", "tensorboard", "wandb", "mlflow"]] = Field(
        default_factory=list,
        description="Trackers that get the metrics as well; nothing leaves this machine unless one is named here.",
    )
    save_minutes: Number = Field(
        1.0, gt=0, le=600, description="A checkpoint at least this often: what a kill can cost."
    )
    save_steps: int | None = Field(None, ge=1, description="A checkpoint every so many steps, as well.")
    lora: Lora = Field(default_factory=Lora, description="The adapter.")  # type: ignore[arg-type]


CHOSEN = ("batch_size", "gradient_accumulation", "packing", "gradient_checkpointing", "quantization")
SPLIT = ("batch_size", "gradient_accumulation")  # only together: their product, the rows of a step, is kept
# How a training is watched and kept changes nothing of its result: no reason to repeat it.
NO_REASON_TO_TRAIN = ("save_minutes", "save_steps", "report_to", "on_oom")


class Sampling(Section):
    temperature: Number = Field(
        0.0,
        ge=0,
        le=2,
        description="0: greedy, the likeliest token every time; above: drawn, with a seed for each row.",
    )
    top_p: Number = Field(1.0, gt=0, le=1, description="Draw among the likeliest tokens that hold this share; 1: all.")
    seed: int = Field(3407, ge=0, description="Each row draws with its own stream of this seed, whatever the batch.")


class Endpoint(Section):
    url: str = Field("", description="An OpenAI-compatible server, such as http://127.0.0.1:8081/v1.")
    model: str = Field("", description="The model's name there.")
    key_env: str | None = Field(
        None, description="Name of the environment variable that holds the key; null: none is sent."
    )


class Eval(Section):
    metrics: list[str] = Field(
        default_factory=list,
        description="Names from scripts/gaslamp/evaluate/metrics or the project's metrics/; empty: by method and data. The first decides.",
    )
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Options of metrics by their name, e.g. {regex: {pattern: '^[A-Z]+$'}}; each metric's file lists its own.",
    )
    max_new_tokens: int | None = Field(
        None, ge=1, le=32768, description="null: a little more than the longest reference answer of the test rows."
    )
    sampling: Sampling = Field(default_factory=Sampling, description="How answers are made; recorded with the scores.")  # type: ignore[arg-type]
    batch_size: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Rows generated together; null: as many as fit, found by probing. Halved when memory runs out.",
    )
    confidence: Number = Field(0.95, gt=0.5, lt=1, description="Level of every interval and test.")
    min_gain: Number = Field(
        0.0, ge=0, description="Smaller gains of the first metric, however sure, do not count as better."
    )
    min_score: Number | None = Field(
        None,
        description="The tuned model must reach at least this with the first metric; null: being better is enough.",
    )
    slices: list[str] = Field(
        default_factory=list, description="Further columns whose values are scored apart, beside data.slice."
    )
    retention: bool = Field(True, description="Ask base and tuned general questions too, to see what was forgotten.")
    retention_file: str | None = Field(
        None,
        description="Your own questions beside the shipped ones: JSON lines with question (or messages) and accept, a list of words.",
    )
    max_forgetting: Number = Field(
        0.3, ge=0, le=1, description="Retention points (share) that may be lost before the gate speaks."
    )
    forgetting_gate: Literal["block", "warn"] = Field(
        "warn", description="block: a model that forgot more is not exported; warn: it is, and every page says so."
    )
    lm_eval: list[str] = Field(
        default_factory=list,
        description="Tasks of lm-evaluation-harness for base and tuned (extra lm-eval): its names, or files in the project's tasks/.",
    )
    lm_eval_limit: int | None = Field(None, ge=1, description="Questions of each of these tasks; null: all.")
    gate: Literal["block", "warn"] = Field(
        "block", description="block: a model that is not better than base is not exported."
    )
    target: str = Field(
        "adapter",
        description="Also judge base against merged, a level such as q4_k_m, or endpoint, on the same test rows; adapter: nothing more.",
    )
    endpoint: Endpoint = Field(default_factory=Endpoint, description="The server of target: endpoint.")  # type: ignore[arg-type]


class Demo(Section):
    theme: Literal["auto", "crisp", "dark"] = Field("auto", description="auto follows project.domain.")
    title: str | None = Field(None, description="Headline; null: computed from the result.")
    examples: int = Field(6, ge=1, le=50, description="Pairs of answers shown.")
    language: str = Field(
        "en",
        description="Of the page: en, zh-Hans, zh-Hant, ja, de, es, or another file in scripts/gaslamp/report/demo/languages.",
    )
    style: str | None = Field(
        None, description="Your own look: a .css file that comes last, or a DESIGN.md that names colours."
    )

    @field_validator("language")
    @classmethod
    def _language_exists(cls, value: str) -> str:
        known = sorted(
            file.stem for file in (Path(__file__).parents[1] / "report" / "demo" / "languages").glob("*.yaml")
        )  # no import: training depends on this file
        if value not in known:
            raise ValueError(f"there is no language '{value}' (there is: {', '.join(known)})")
        return value


class Hub(Section):
    repo: str | None = Field(
        None, description="Where `make push` puts the model: owner/name; null: nowhere.", pattern=r"^[\w.-]+/[\w.-]+$"
    )
    private: bool = Field(True, description="Only you can see it.")
    files: list[Literal["adapter", "merged", "gguf", "lora_gguf"]] = Field(
        default=["adapter", "gguf"],
        description="What is pushed; gguf: the recommended level and its Modelfile.",
        min_length=1,
    )


class Export(Section):
    formats: list[str] = Field(
        default=["gguf", "ollama"],
        description="Names from scripts/gaslamp/export/exporters: what is made beside the merged model; without gguf a model that sees, scores or embeds ends as the merged folder.",
        min_length=1,
    )
    levels: list[Level] = Field(
        default=["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m"],
        description="GGUF files to make beside f16; names as llama-quantize has them.",
        min_length=1,
    )
    ladder_rows: int | None = Field(
        60,
        ge=10,
        description="Test rows that each file is asked; null: all. More rows, narrower intervals, more time for each level.",
    )
    imatrix: Literal["auto", "always", "never"] = Field(
        "auto",
        description="An importance matrix for the quantization; auto: for the levels that need one (iq1, iq2, iq3_xs, iq3_xxs, q2_k).",
    )
    calibration: str | None = Field(
        None, description="Text file for the importance matrix; null: training rows.", min_length=1
    )
    keep_intermediates: bool = Field(
        True, description="false: the merged model and f16 are deleted once everything made from them stands."
    )
    tolerance: Number = Field(
        0.05, ge=0, le=1, description="Score a level may lose against f16 and still be recommended (0.05 = 5 points)."
    )
    parity: Literal["block", "warn"] = Field(
        "block", description="block: a model that differs from the evaluated one is not shipped."
    )
    parity_prompts: int = Field(
        16, ge=4, le=200, description="Test rows that go through every artefact in the parity check."
    )
    hub: Hub = Field(default_factory=Hub, description="The model hub.")  # type: ignore[arg-type]

    @field_validator("formats")
    @classmethod
    def _formats_exist(cls, value: list[str]) -> list[str]:
        from gaslamp.core import registry

        for name in value:
            if name not in (known := registry.names("exporters")):
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                raise ValueError(
                    f"there is no format '{name}'; {f'did you mean {near[0]}?' if near else f'built: {chr(44).join(known)}'}"
                )
        return list(dict.fromkeys(value))


class Deploy(Section):
    port: int = Field(8081, ge=1024, le=65535, description="First port tried on 127.0.0.1.")
    context: int = Field(4096, ge=256, le=1_048_576, description="Tokens the served model remembers.")
    level: str = Field("recommended", description="recommended (from the ladder), f16, or one of export.levels.")
    compare: bool = Field(
        True, description="The chat page shows the base model's answer beside the tuned one (make deploy)."
    )


class Dashboard(Section):
    open: Literal["auto", "never"] = Field(
        "auto", description="auto: the page opens at the start of a run when a person is at the terminal."
    )
    port: int = Field(8080, ge=1024, le=65535, description="First port tried on 127.0.0.1 for the page.")


class Reflect(Section):
    write: bool = Field(True, description="Write what was learnt to GASLAMP_HOME (default ~/.gaslamp).")


class Config(Section):
    """The whole config.yaml. ``backend`` and ``train_python`` are set by the profile."""

    backend: Backend = Field("cpu", description="Set by the profile: cpu, cuda, mac, mps or colab.")
    train_python: str | None = Field(
        None,
        description="Interpreter of the training rule; null: .venv-mlx for the profile mac, else the one that runs Snakemake.",
    )
    run: str = Field(
        "main",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="Name of this run; its files stand in folders of that name.",
    )
    method: str = Field("sft", description="A name from scripts/gaslamp/train/methods.")
    project: Project = Field(default_factory=Project, description="What it is for.")  # type: ignore[arg-type]
    model: Model = Field(default_factory=Model, description="What is fine-tuned.")  # type: ignore[arg-type]
    data: Data = Field(default_factory=Data, description="What it learns from.")
    train: Train = Field(default_factory=Train, description="How it learns.")  # type: ignore[arg-type]
    eval: Eval = Field(default_factory=Eval, description="How it is judged.")  # type: ignore[arg-type]
    demo: Demo = Field(default_factory=Demo, description="The page to share.")  # type: ignore[arg-type]
    export: Export = Field(default_factory=Export, description="What is shipped.")  # type: ignore[arg-type]
    deploy: Deploy = Field(default_factory=Deploy, description="How it is served here.")  # type: ignore[arg-type]
    dashboard: Dashboard = Field(default_factory=Dashboard, description="The screens of a run.")  # type: ignore[arg-type]
    reflect: Reflect = Field(default_factory=Reflect, description="What is remembered.")  # type: ignore[arg-type]

    @field_validator("run")
    @classmethod
    def _run_is_free(cls, value: str) -> str:
        if value == "env":
            raise ValueError("outputs/env has the facts of the machine: choose another name")
        return value

    @field_validator("method")
    @classmethod
    def _method_exists(cls, value: str) -> str:
        from gaslamp.core import registry

        if value not in registry.names("methods"):
            raise ValueError(f"there is no method '{value}' (built: {', '.join(registry.names('methods'))})")
        return value

    @model_validator(mode="after")
    def _fill_preset(self) -> Self:
        """Put the method's preset where ``train`` says null, and its defaults into ``train.options``.

        Not marked as set: a slice of a few keys stays one.
        """
        from gaslamp.config.methods import get_options, get_preset

        preset = get_preset(self.method, self.train.adapter, self.backend)
        filled: dict[str, Any] = {key: preset.get(key) for key, value in self.train if value is None}
        filled |= {"quantization": "none"} if self.train.quantization == "auto" else {}
        if self.train.choose is None:
            filled["choose"] = (
                [key for key in CHOSEN if key in filled and (key not in SPLIT or all(name in filled for name in SPLIT))]
                if self.backend == "cuda"
                else []
            )
        with contextlib.suppress(GaslampError):  # told by _find_conflicts, with the line
            filled["options"] = get_options(self.method, self.train.options).model_dump()
        self.__dict__["train"] = Train.model_construct(
            _fields_set=self.train.model_fields_set, **{**dict(self.train), **filled}
        )
        return self


class Slice:
    """Read access to the keys a rule declared in its ``params``; any other key is an error, never a silent default."""

    def __init__(self, section: BaseModel, path: str = "") -> None:
        self._section, self._path = section, path

    def __getattr__(self, key: str) -> Any:
        if key not in self._section.model_fields_set:
            raise AttributeError(
                f"{self._path}{key} is not in this rule's settings: add it to get_settings() in rules/"
            )
        value = getattr(self._section, key)
        return Slice(value, f"{self._path}{key}.") if isinstance(value, BaseModel) else value

    def dump(self) -> dict[str, Any]:
        """The declared keys as plain values, for provenance."""
        return self._section.model_dump(exclude_unset=True)


def get_slice(config: Config, *keys: str) -> str:
    """The named parts of ``config`` as compact JSON, e.g. ``get_slice(config, "train", "data.system")``."""
    whole = config.model_dump()
    result: dict[str, Any] = {}
    for key in keys:
        source, target = whole, result
        *parents, last = key.split(".")
        for parent in parents:
            source, target = source[parent], target.setdefault(parent, {})
        target[last] = source[last]
    return json.dumps(result, ensure_ascii=False, separators=(",", ":"))


def parse_slice(text: str) -> Slice:
    """The ``--settings`` of a script, as made by get_slice (or typed by hand: it is checked the same way)."""
    try:
        return Slice(Config.model_validate_json(text))
    except ValidationError as failure:
        problems = [_explain(error, "", "--settings") for error in failure.errors()]
        raise GaslampError(_join(problems), "pass the JSON that the rule passes, see rules/") from None


def get_schema() -> dict[str, Any]:
    """The JSON schema for editors, written to workflow/schemas/ by ``make schema``."""
    return Config.model_json_schema()


def _find_line(text: str, path: tuple[str | int, ...]) -> int | None:
    """The line (from 1) of ``path`` in a YAML text, or of its nearest parent that stands there; ``None`` when absent."""
    import yaml

    node = yaml.compose(text)
    line = None
    for part in path:
        children: list[tuple[Any, Any, Any]] = []
        if isinstance(node, yaml.MappingNode):
            children = [(key.value, key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            children = [(index, value, value) for index, value in enumerate(node.value)]
        for name, key, value in children:
            if str(name) == str(part):
                line, node = key.start_mark.line + 1, value
                break
        else:
            return line
    return line


def _get_keys(path: tuple[str | int, ...]) -> list[str]:
    """The keys allowed in the section at ``path``."""
    model: Any = Config
    for part in path:
        field = model.model_fields.get(str(part)) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is None:
            return []
        candidates = [field.annotation, *get_args(field.annotation)]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return list(model.model_fields) if model else []


def _find_sections(key: str) -> list[str]:
    """The sections that do have ``key``, as ``train`` or ``train.lora``."""
    found = []
    for path in (
        (),
        *((name,) for name in Config.model_fields),
        ("data", "split"),
        ("train", "lora"),
        ("eval", "sampling"),
        ("eval", "endpoint"),
        ("export", "hub"),
    ):
        if key in _get_keys(path):
            found.append(".".join(path) or "the top level")
    return found


_UNION_TAGS = ("str", "list[str]", "[key]")  # what pydantic adds to the place of an error, and no key of ours


def _explain(error: Any, text: str, file: str) -> str:
    path = tuple(error["loc"])
    while path and path[-1] in _UNION_TAGS:
        path = path[:-1]
    name = ".".join(str(part) for part in path) or "config"
    line = _find_line(text, path) if text else None
    where = f"{file}, line {line}" if line else file
    if error["type"] == "extra_forbidden":
        keys = _get_keys(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), keys, n=1, cutoff=0.5)
        sections = _find_sections(str(path[-1]))
        if sections:
            hint = f"it belongs into {' or '.join(sections)}"
        else:
            hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(keys)}"
        return f"{where}: unknown key '{name}'; {hint}"
    if error["type"] in ("model_type", "model_attributes_type") and error.get("input") is None:
        return f"{where}: the section '{name}' is empty; indent its keys below it, or delete the line"
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if path and error["type"] == "string_type" and isinstance(error.get("input"), int | float):
        message += ": put it in quotes"
    given = json.dumps(error.get("input"), default=str, ensure_ascii=False)
    return f"{where}: {name} = {given[:80]}: {message}"


def _drop(values: dict[str, Any], paths: list[tuple[str | int, ...]]) -> dict[str, Any]:
    """A copy of ``values`` without the keys at (or nearest to) ``paths``."""
    result: dict[str, Any] = copy.deepcopy(values)
    for path in paths:
        section: Any = result
        for part, following in zip(path, (*path[1:], None), strict=True):
            if not (isinstance(section, dict) and part in section):
                break
            if following is None or not (isinstance(section[part], dict) and following in section[part]):
                del section[part]
                break
            section = section[part]
    return result


def _find_duplicates(text: str, file: str | Path) -> list[str]:
    """Keys that stand twice in one section: YAML would silently take the last."""
    import yaml

    problems = []
    waiting: list[tuple[Any, str]] = [(yaml.compose(text), "")] if text else []
    while waiting:
        node, path = waiting.pop()
        first: dict[str, int] = {}
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            line = key.start_mark.line + 1
            if key.value in first:
                problems.append(
                    f"{file}, line {line}: '{path}{key.value}' stands here a second time, first in line {first[key.value]}"
                )
            first.setdefault(str(key.value), line)
            waiting.append((value, f"{path}{key.value}."))
    return problems


def load_config(values: dict[str, Any], file: str | Path = "config.yaml", root: str | Path = ".") -> Config:
    """Validate a config that was read from ``file``; raise one GaslampError that lists every problem.

    Args:
        values: the mapping that Snakemake (or a test) read.
        file: where it came from, for the line numbers.
        root: the project folder that relative paths start from.
    """
    text = Path(file).read_text(encoding="utf-8") if Path(file).is_file() else ""
    problems = _find_duplicates(text, file)
    try:
        config = Config.model_validate(values)
    except ValidationError as failure:
        found = [_explain(error, text, str(file)) for error in failure.errors()]
        rest = _drop(values, [error["loc"] for error in failure.errors()])
        with contextlib.suppress(ValidationError):  # dropping a key broke another: the first list is what is known
            # what is wrong among the other keys belongs to the same list
            found += [
                f"{_at(text, file, path)}: {message}"
                for path, message in _find_conflicts(Config.model_validate(rest), Path(root))
            ]
        fix = f"edit {file}: the comments in it say what each key takes"
        raise GaslampError(_join(problems + found), fix) from None
    problems += [f"{_at(text, file, path)}: {message}" for path, message in _find_conflicts(config, Path(root))]
    if problems:
        raise GaslampError(
            _join(problems), f"edit {file}, or put the file where it says", "the command was started in another folder"
        )
    return config


def read_config(file: str | Path) -> Config:
    """Read and check a config file outside Snakemake (the profile's backend is not in it)."""
    import yaml

    try:
        values = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise GaslampError(
            f"{file} is not here", "run the command inside a project folder (the one with config.yaml)"
        ) from error
    except yaml.YAMLError as error:
        raise GaslampError(
            f"{file} is not valid YAML: {' '.join(str(error).split())[:300]}", "mend the line it names"
        ) from error
    return load_config(values or {}, file, Path(file).parent)


def _join(problems: list[str]) -> str:
    def get_line(problem: str) -> int:
        match = re.search(r", line (\d+): ", problem)
        return int(match.group(1)) if match else 0

    problems = sorted(dict.fromkeys(problems), key=get_line)
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems in the config\n" + "\n".join(f"    - {problem}" for problem in problems)


def _at(text: str, file: str | Path, path: tuple[str, ...]) -> str:
    line = _find_line(text, path) if text else None
    return f"{file}, line {line}" if line else str(file)


def is_local(source: str) -> bool:
    """Whether ``model.source`` names a folder rather than a hub id: it stands there, or it is written like a path."""
    return not source.startswith("embedded:") and (
        source.startswith((".", "/", "~")) or Path(source).expanduser().exists()
    )


def _is_hub_set(source: str, root: Path) -> bool:
    """Whether ``data.source`` is a hub id (org/name, no file ending) rather than a path that is missing."""
    if source.startswith("hf://"):
        return True
    return (
        bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w-][\w.-]*", source))
        and not (root / source).exists()
        and not (root / source).parent.is_dir()
        and not Path(source).suffix
    )


def _find_conflicts(config: Config, root: Path) -> list[tuple[tuple[str, ...], str]]:
    """What no single field can see: names that must exist, files that must stand there."""
    from gaslamp.config.base_models import VISION_TOWER_FIX, find_vision_tower_problem
    from gaslamp.config.methods import find_option_problems, get_adapters, is_multimodal, is_packing_allowed
    from gaslamp.core import registry

    problems: list[tuple[tuple[str, ...], str]] = []
    if config.data.source.startswith("embedded:"):
        known = registry.names("embedded")
        if config.data.source.removeprefix("embedded:") not in known:
            problems.append(
                (
                    ("data", "source"),
                    f"there is no embedded data set {config.data.source}; there is: {', '.join(known)}",
                )
            )
    elif not _is_hub_set(config.data.source, root):
        data = root / Path(config.data.source).expanduser()
        if not data.exists():
            problems.append(
                (("data", "source"), f"{config.data.source}: no such file or folder (looked in {root.resolve()})")
            )
        elif data.is_file() and data.stat().st_size == 0:
            problems.append((("data", "source"), f"{config.data.source} is empty (0 bytes)"))
        elif data.is_dir() and not any(file.is_file() and not file.name.startswith(".") for file in data.rglob("*")):
            problems.append((("data", "source"), f"the folder {config.data.source} has no files"))
    if config.data.format != "auto" and config.data.format not in registry.names("formats"):
        problems.append(
            (
                ("data", "format"),
                f"there is no format '{config.data.format}'; there is: auto, {', '.join(registry.names('formats'))}",
            )
        )
    source, sees = config.model.source, is_multimodal(config.method)
    if source.startswith("embedded:"):
        from gaslamp.config.base_models import EMBEDDED

        if sees:
            problems.append(
                (
                    ("model", "source"),
                    f"{source} cannot see, and {config.method} needs a model that can: a folder or hub id, for instance of a SmolVLM, Gemma 3 or Qwen-VL",
                )
            )

        if source.removeprefix("embedded:") not in EMBEDDED:
            problems.append(
                (("model", "source"), f"there is no embedded model {source}; there is: {', '.join(EMBEDDED)}")
            )
    elif is_local(source):
        folder = root / Path(source).expanduser()
        if not (folder / "config.json").is_file():
            problems.append(
                (("model", "source"), f"{source} is not a model folder: {folder / 'config.json'} is missing")
            )
        elif sees and '"vision_config"' not in (folder / "config.json").read_text(encoding="utf-8"):
            problems.append(
                (
                    ("model", "source"),
                    f"{source} cannot see (its config.json has no vision_config), and {config.method} needs a model that can",
                )
            )
        elif (
            sees
            and "gguf" in config.export.formats
            and (reason := find_vision_tower_problem(json.loads((folder / "config.json").read_text(encoding="utf-8"))))
        ):
            problems.append((("model", "source"), f"{source}: {reason}; {VISION_TOWER_FIX}"))
    elif source.count("/") == 1 and (root / source).parent.is_dir():
        # a folder that was meant, not a hub id: asking the hub for it would end in a riddle
        problems.append(
            (
                ("model", "source"),
                f"{source}: no such folder (looked in {root.resolve()}, which has '{source.split('/')[0]}')",
            )
        )
    elif source.count("/") != 1:
        problems.append(
            (
                ("model", "source"),
                f"'{source}' is neither embedded:NAME, a folder that exists, nor a hub id like org/name",
            )
        )
    if config.train.processes > 1 and config.backend not in ("cpu", "cuda"):
        problems.append((("train", "processes"), f"{config.backend} trains in one process: set it to 1"))
    if config.data.split.valid + config.data.split.test > 0.9:
        problems.append(
            (("data", "split"), "valid and test together take more than 0.9 of the rows: too few are left to train on")
        )
    if len(set(config.export.levels)) < len(config.export.levels):
        problems.append((("export", "levels"), f"a level is listed twice: {', '.join(config.export.levels)}"))
    problems += [
        (("train", "options", *path), message)
        for path, message in find_option_problems(config.method, config.train.options)
    ]
    if config.train.adapter not in get_adapters(config.method):
        able = [name for name in registry.names("methods") if config.train.adapter in get_adapters(name)]
        problems.append(
            (
                ("train", "adapter"),
                f"the method {config.method} trains an adapter only; every weight can be trained with {', '.join(able)}",
            )
        )
    if config.train.packing and not is_packing_allowed(config.method):
        able = [name for name in registry.names("methods") if is_packing_allowed(name)]
        problems.append((("train", "packing"), f"the method {config.method} cannot pack rows; {', '.join(able)} can"))
    if find_setting_problems := getattr(registry.get("methods", config.method), "find_setting_problems", None):
        problems += [(("train", *path), message) for path, message in find_setting_problems(config.train)]
    if config.train.rewards:
        from gaslamp.train.reward_runner import load_rewards

        try:
            load_rewards([reward.model_dump() for reward in config.train.rewards])
        except GaslampError as error:
            problems.append((("train", "rewards"), error.cause.removeprefix("train.rewards: ")))
    if config.train_python and not shutil.which(Path(config.train_python).expanduser()):
        problems.append((("train_python",), f"{config.train_python}: no such program"))
    for metric in config.eval.metrics:
        if metric not in registry.names("metrics"):
            problems.append(
                (
                    ("eval", "metrics"),
                    f"there is no metric '{metric}'; there is: {', '.join(registry.names('metrics'))}",
                )
            )
    targets = ("adapter", "merged", "endpoint", "f16", *config.export.levels)
    if config.eval.target not in targets:
        problems.append((("eval", "target"), f"'{config.eval.target}' cannot be judged here: {', '.join(targets)}"))
    if config.eval.target == "endpoint" and not (config.eval.endpoint.url and config.eval.endpoint.model):
        problems.append((("eval", "endpoint"), "target: endpoint needs url and model"))
    if config.eval.retention_file and not (root / Path(config.eval.retention_file).expanduser()).is_file():
        problems.append(
            (("eval", "retention_file"), f"{config.eval.retention_file}: no such file (looked in {root.resolve()})")
        )
    if config.deploy.level not in ("recommended", "f16", *config.export.levels):
        problems.append(
            (
                ("deploy", "level"),
                f"'{config.deploy.level}' is not made: export.levels has {', '.join(config.export.levels)}",
            )
        )
    return problems

"""The whole config of a project: the sections, the defaults that depend on the method, and the JSON schema.

Each section is in ``config/sections/<room>.py``, each key with its reason and range.
``workflow/schemas/config.schema.json`` and ``docs/config.md`` are generated from these models (``make schema``).
``load.py`` reads and checks a file.
"""

from __future__ import annotations

import contextlib
from typing import Self

from pydantic import Field, field_validator, model_validator

from gaslamp.config.backends import is_autotuned, list_profiles
from gaslamp.config.lora import needs_whole_base
from gaslamp.config.methods import get_options, get_preset, get_sized_keys
from gaslamp.config.points import LONGEST_SUFFIX, get_named_run, resolve_point
from gaslamp.config.sections.data import Data
from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.config.sections.evaluate import Eval
from gaslamp.config.sections.export import Export
from gaslamp.config.sections.fields import Backend, Method, Section
from gaslamp.config.sections.guide import Plan
from gaslamp.config.sections.memory import Reflect
from gaslamp.config.sections.models import Model
from gaslamp.config.sections.project import Project
from gaslamp.config.sections.remote import Remote
from gaslamp.config.sections.report import Dashboard, Demo
from gaslamp.config.sections.serve import Deploy
from gaslamp.config.sections.stages import Stage
from gaslamp.config.sections.sweep import Sweep
from gaslamp.config.sections.train import CHOSEN, SPLIT, Train
from gaslamp.config.stages import RESERVED, resolve
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject

LONGEST_RUN = 64
"""Characters of the name of a run; those that belong to it add theirs (``main-share25``)."""


class Config(Section):
    """The whole config.yaml. ``backend`` and ``train_python`` are set by the profile."""

    backend: Backend = Field("cpu", description=f"Set by the profile: {list_profiles()}.")
    train_python: str | None = Field(
        None,
        description="Python interpreter of the training rule; null: .venv-mlx for the profile mac, else the one that "
        "runs "
        "Snakemake.",
    )
    run: str = Field(
        "main",
        max_length=LONGEST_RUN + LONGEST_SUFFIX,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description=f"Name of this run, and of the folders with its files; at most {LONGEST_RUN} characters.",
    )
    method: Method = Field("sft", description="A name from scripts/gaslamp/train/methods.")
    stages: list[Stage] = Field(
        default_factory=list,
        description="Several trainings, one after the other, each on the result of the one before it; what a stage "
        "does not set is that of the top level. []: one training.",
    )
    project: Project = Field(default_factory=Project, description="What the model is for.")  # type: ignore[arg-type]
    model: Model = Field(default_factory=Model, description="The base model.")  # type: ignore[arg-type]
    data: Data = Field(default_factory=Data, description="The training data.")  # type: ignore[arg-type]
    train: Train = Field(default_factory=Train, description="The training.")  # type: ignore[arg-type]
    sweep: Sweep = Field(default_factory=Sweep, description="Several trainings, compared.")  # type: ignore[arg-type]
    diagnose: Diagnose = Field(default_factory=Diagnose, description="What is a finding.")  # type: ignore[arg-type]
    eval: Eval = Field(default_factory=Eval, description="The evaluation.")  # type: ignore[arg-type]
    demo: Demo = Field(default_factory=Demo, description="The demo page.")  # type: ignore[arg-type]
    export: Export = Field(default_factory=Export, description="What is shipped.")  # type: ignore[arg-type]
    deploy: Deploy = Field(default_factory=Deploy, description="The server on this machine.")  # type: ignore[arg-type]
    dashboard: Dashboard = Field(default_factory=Dashboard, description="The live dashboard.")  # type: ignore[arg-type]
    reflect: Reflect = Field(default_factory=Reflect, description="What is remembered between projects.")  # type: ignore[arg-type]
    remote: Remote = Field(default_factory=Remote, description="A machine that trains in place of this one.")  # type: ignore[arg-type]
    plan: Plan = Field(default_factory=Plan, description="What make plan cannot find out.")  # type: ignore[arg-type]

    @model_validator(mode="before")
    @classmethod
    def _take_part(cls, values: object) -> object:
        """The config of a project with stages is that of its last stage (config/stages.py); of a point: its own."""
        return resolve_point(resolve(values)) if isinstance(values, dict) else values

    @field_validator("run")
    @classmethod
    def _run_is_free(cls, value: str) -> str:
        if value == "env":
            raise ValueError("outputs/env holds the facts of the machine: choose another name")
        if len(get_named_run(value)) > LONGEST_RUN:
            raise ValueError(f"it has {len(value)} characters: {LONGEST_RUN} at most")
        return value

    @field_validator("stages", mode="before")
    @classmethod
    def _stages_are_no_words(cls, value: object) -> object:
        words = [stage for stage in value if isinstance(stage, str)] if isinstance(value, list) else []
        if words:
            example = ", ".join(f"{{name: {word}, method: {word}}}" for word in words)
            raise ValueError(f"a stage has a name and what differs in it: write stages: [{example}]")
        return value

    @field_validator("stages")
    @classmethod
    def _stages_have_folders(cls, value: list[Stage]) -> list[Stage]:
        names = [stage.name for stage in value]
        folders = [name.casefold() for name in names]  # some file systems know one folder for both cases
        if wrong := [name for name in names if name.casefold() in RESERVED or folders.count(name.casefold()) > 1]:
            raise ValueError(
                f"{', '.join(dict.fromkeys(wrong))}: each stage needs a name of its own (capitals do not count), "
                f"none of {', '.join(RESERVED)}"
            )
        return value

    @model_validator(mode="after")
    def _fill_preset(self) -> Self:
        """Put the method's preset where ``train`` says null, and its defaults into ``train.options``.

        What depends on the size of the base model stays null: config/presets.py fills it when the model is here.
        The values are not marked as set, so that a slice of a few keys stays one.
        """
        preset = get_preset(self.method, self.train.adapter)
        sized = get_sized_keys(self.method, self.train.adapter)
        filled: JsonObject = {
            key: None if key in sized else preset.get(key) for key, value in self.train if value is None
        }
        filled |= {"quantization": "none"} if self.train.quantization == "auto" else {}
        if self.train.choose is None:
            filled["choose"] = (
                [
                    key
                    for key in CHOSEN
                    if key in filled
                    and (key not in SPLIT or all(name in filled for name in SPLIT))
                    and not (key == "quantization" and needs_whole_base(self.train.lora.model_dump()))
                ]
                if is_autotuned(self.backend)
                else []
            )
        with contextlib.suppress(GaslampError):  # train/config_check.py reports it, with the line
            filled["options"] = get_options(self.method, self.train.options).model_dump()
        self.__dict__["train"] = Train.model_construct(
            _fields_set=self.train.model_fields_set, **{**dict(self.train), **filled}
        )
        return self


def get_schema() -> JsonObject:
    """The JSON schema for editors, written to workflow/schemas/ by ``make schema``."""
    return Config.model_json_schema()

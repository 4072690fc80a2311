"""The whole config of a project: the sections, the defaults that depend on the method, and the JSON schema.

Each section is in ``config/sections/<room>.py``, each key with its reason and range. ``workflow/schemas/config.schema.json``
and ``docs/config.md`` are generated from these models (``make schema``). ``load.py`` reads and checks a file.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from gaslamp.config.methods import get_options, get_preset
from gaslamp.config.sections.data import Data
from gaslamp.config.sections.evaluate import Eval
from gaslamp.config.sections.export import Export
from gaslamp.config.sections.fields import Backend, Method, Section
from gaslamp.config.sections.memory import Reflect
from gaslamp.config.sections.models import Model
from gaslamp.config.sections.project import Project
from gaslamp.config.sections.report import Dashboard, Demo
from gaslamp.config.sections.serve import Deploy
from gaslamp.config.sections.train import CHOSEN, SPLIT, Train
from gaslamp.config.suggest import explain, join
from gaslamp.core.errors import GaslampError


class Config(Section):
    """The whole config.yaml. ``backend`` and ``train_python`` are set by the profile."""

    backend: Backend = Field("cpu", description="Set by the profile: cpu, cuda, mac, mps or colab.")
    train_python: str | None = Field(
        None,
        description="Python interpreter of the training rule; null: .venv-mlx for the profile mac, else the one that runs "
        "Snakemake.",
    )
    run: str = Field(
        "main",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="Name of this run, and of the folders with its files.",
    )
    method: Method = Field("sft", description="A name from scripts/gaslamp/train/methods.")
    project: Project = Field(default_factory=Project, description="What the model is for.")  # type: ignore[arg-type]
    model: Model = Field(default_factory=Model, description="The base model.")  # type: ignore[arg-type]
    data: Data = Field(default_factory=Data, description="The training data.")  # type: ignore[arg-type]
    train: Train = Field(default_factory=Train, description="The training.")  # type: ignore[arg-type]
    eval: Eval = Field(default_factory=Eval, description="The evaluation.")  # type: ignore[arg-type]
    demo: Demo = Field(default_factory=Demo, description="The demo page.")  # type: ignore[arg-type]
    export: Export = Field(default_factory=Export, description="What is shipped.")  # type: ignore[arg-type]
    deploy: Deploy = Field(default_factory=Deploy, description="The server on this machine.")  # type: ignore[arg-type]
    dashboard: Dashboard = Field(default_factory=Dashboard, description="The live dashboard.")  # type: ignore[arg-type]
    reflect: Reflect = Field(default_factory=Reflect, description="What is remembered between projects.")  # type: ignore[arg-type]

    @field_validator("run")
    @classmethod
    def _run_is_free(cls, value: str) -> str:
        if value == "env":
            raise ValueError("outputs/env holds the facts of the machine: choose another name")
        return value

    @model_validator(mode="after")
    def _fill_preset(self) -> Self:
        """Put the method's preset where ``train`` says null, and its defaults into ``train.options``.

        The values are not marked as set, so that a slice of a few keys stays one.
        """
        preset = get_preset(self.method, self.train.adapter, self.backend)
        filled: dict[str, Any] = {key: preset.get(key) for key, value in self.train if value is None}
        filled |= {"quantization": "none"} if self.train.quantization == "auto" else {}
        if self.train.choose is None:
            filled["choose"] = (
                [key for key in CHOSEN if key in filled and (key not in SPLIT or all(name in filled for name in SPLIT))]
                if self.backend == "cuda"
                else []
            )
        with contextlib.suppress(GaslampError):  # train/config_check.py reports it, with the line
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
        problems = [explain(error, "", "--settings", Config) for error in failure.errors()]
        raise GaslampError(join(problems), "pass the JSON that the rule passes, see rules/") from None


def get_schema() -> dict[str, Any]:
    """The JSON schema for editors, written to workflow/schemas/ by ``make schema``."""
    return Config.model_json_schema()

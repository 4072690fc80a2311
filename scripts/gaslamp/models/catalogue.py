"""Open base models to choose from: catalogue.yaml as objects. Standard library and PyYAML only."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from gaslamp.config.base_models import VISION_TOWERS
from gaslamp.models.shape import Shape

FILE = Path(__file__).with_name("catalogue.yaml")
ABILITIES = ("vision", "tools", "thinking", "embedding", "tts")
"""What ``BaseModel.abilities`` may hold, and what may be required."""
MANY_LANGUAGES = 100
"""A model that claims so many languages counts as one that knows any; its card is the place to look."""


@dataclass(frozen=True)
class Source:
    """Where facts are from."""

    title: str
    url: str
    date: str  # of the version that was read, or the day of reading


@dataclass(frozen=True)
class BaseModel:
    """A base model that could be fine-tuned."""

    id: str  # on the hub
    name: str
    family: str
    architecture: str  # as config.json names it
    template: str | None  # its row in docs/models.md; None: it has none
    shape: Shape
    files_gb: float  # of the download
    license: str
    gated: bool  # a source says that the hub wants an account and an accepted licence
    languages: tuple[str, ...]  # codes that a source names
    language_count: int | None  # that it claims altogether
    context: int  # tokens
    released: str  # year and month, or day
    abilities: frozenset[str]
    text: bool  # the text methods train it; a model that reads images is loaded whole for texts
    gguf: bool  # the pinned llama.cpp converts it
    mixture: bool  # of experts
    embedded: str | None = None  # name in embedded:NAME, which needs no hub
    note: str = ""
    sources: dict[str, Source] = field(default_factory=dict)  # group of facts -> where they are from

    @property
    def parameters(self) -> int:
        """Parameters of the model."""
        return self.shape.parameters

    @property
    def worth(self) -> int:
        """Parameters that its class counts: those that a token uses, but all experts of a mixture."""
        return self.parameters if self.mixture else self.shape.computed

    @property
    def source(self) -> str:
        """The value of ``model.source``."""
        return f"embedded:{self.embedded}" if self.embedded else self.id

    @property
    def reads_images_in_gguf(self) -> bool:
        """Whether llama.cpp converts its vision tower, so that an exported model reads images."""
        return self.architecture in VISION_TOWERS

    @property
    def size(self) -> str:
        """``0.4M``, ``135M``, ``0.6B``, ``8.0B``: the parameters for people."""
        millions = self.parameters / 1e6
        if millions < 10:
            return f"{millions:.1g}M"
        return f"{millions / 1e3:.1f}B" if millions >= 400 else f"{millions:.0f}M"

    def knows(self, language: str) -> bool:
        """Whether it knows a language (``de``): a source names it, or it claims MANY_LANGUAGES and more."""
        return language.lower() in self.languages or (self.language_count or 0) >= MANY_LANGUAGES


@lru_cache(maxsize=1)
def load_catalogue() -> list[BaseModel]:
    """Every model of catalogue.yaml, in its order."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it
    content = yaml.load(FILE.read_text(encoding="utf-8"), loader)  # noqa: S506 - both loaders are safe ones
    sources = {
        name: Source(str(entry["title"]), str(entry["url"]), str(entry["date"]))
        for name, entry in content["sources"].items()
    }
    return [_read_model(entry, sources) for entry in content["models"]]


def find_model(source: str) -> BaseModel | None:
    """The model with this hub id, or with this ``embedded:NAME``; ``None`` when the catalogue has none."""
    return next((model for model in load_catalogue() if source in (model.id, model.source)), None)


def _read_model(entry: dict[str, Any], sources: dict[str, Source]) -> BaseModel:
    numbers, parameters = entry["shape"], int(entry["parameters"])
    shape = Shape(
        parameters,
        numbers["hidden"],
        numbers["layers"],
        numbers["vocab"],
        inner=numbers["intermediate"],
        kv_width=numbers["kv_heads"] * numbers["head_dim"],
        tied=numbers["tied"],
        active=int(entry["active"] or 0),
        tables=numbers["vocab"] * numbers.get("per_layer", 0) * numbers["layers"],
    )
    return BaseModel(
        id=entry["id"],
        name=entry["name"],
        family=entry["family"],
        architecture=entry["architecture"],
        template=entry["template"],
        shape=shape,
        files_gb=float(entry["files_gb"] or round(parameters * 2 / 1e9, 2)),
        license=entry["license"],
        gated=bool(entry["gated"]),
        languages=tuple(entry["languages"]),
        language_count=entry["language_count"],
        context=entry["context"],
        released=str(entry["released"]),
        abilities=frozenset(entry["abilities"]),
        text=entry["text"],
        gguf=entry["gguf"],
        mixture=bool(entry.get("mixture")),
        embedded=entry.get("embedded"),
        note=entry.get("note") or "",
        sources={group: sources[name] for group, name in entry["sources"].items()},
    )

"""What a run recorded until now, whether it ended or stopped half-way: the facts that candidates are made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gaslamp.config.base_models import ModelSection, get_model_name
from gaslamp.config.slices import Slice
from gaslamp.core.attempts import Attempt, read_attempts
from gaslamp.core.console import PHASES
from gaslamp.core.contracts import Artefact, Card, Compare, Ladder, ModelFacts, Preflight, TrainFacts
from gaslamp.core.events import read_events
from gaslamp.core.files import JsonObject, read_json
from gaslamp.core.places import get_data_folder
from gaslamp.memory.conditions import quote_word
from gaslamp.memory.situation import get_model_word, get_template_id, read_chat_template

_File = TypeVar("_File", bound=Artefact)


@dataclass(frozen=True)
class RunFacts:
    """The facts of one run; ``None`` where its step did not end (yet)."""

    method: str
    backend: str
    source: str  # model.source
    run: str = "main"
    requested: JsonObject = field(default_factory=dict)  # section train as a person wrote it
    system: JsonObject = field(default_factory=dict)
    preflight: Preflight | None = None
    model: ModelFacts | None = None
    card: Card | None = None
    train: TrainFacts | None = None
    compare: Compare | None = None
    ladder: Ladder | None = None
    events: list[JsonObject] = field(default_factory=list)  # of the newest training
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def model_name(self) -> str:
        """The base model without the place where it lies."""
        return get_model_word(self.source)

    @property
    def memory_gb(self) -> float | None:
        """Memory of the largest GPU for the backend cuda, else of the machine."""
        if self.backend == "cuda":
            return max((gpu["vram_gb"] for gpu in self.system.get("gpus") or [] if gpu.get("vram_gb")), default=None)
        return self.system.get("memory_gb")

    @property
    def parameters(self) -> int | None:
        """Of the base model."""
        return self.model.parameters if self.model else None

    def get_place(self) -> str:
        """Method and hardware as a condition."""
        return f"task={quote_word(self.method)} AND hardware={quote_word(self.backend)}"

    def get_memory_condition(self) -> str:
        """Where memory runs out just as well: a model as large or larger, as much memory or less."""
        parts = [self.get_place()]
        if self.parameters:  # a little below: before a download the size is known from the files alone
            parts.append(f"model_size>={show_size(0.9 * self.parameters)}")
        if self.memory_gb:
            parts.append(f"memory_gb<={math.ceil(self.memory_gb)}")
        return " AND ".join(parts)

    def get_template_condition(self) -> str:
        """Where the same chat template is used: known by its hash, and by the model's name before a download."""
        template = read_chat_template(Path(self.model.path)) if self.model else ""
        by_name = f"model={quote_word(self.model_name)}"
        return f"template={get_template_id(template)} OR {by_name}" if template else by_name


def show_size(parameters: float) -> str:
    """Parameters with two digits, rounded down: ``120M``."""
    digits = 10 ** max(0, math.floor(math.log10(parameters)) - 1)
    value = math.floor(parameters / digits) * digits
    for unit, factor in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def get_requested(train: TrainFacts | None) -> JsonObject:
    """Section ``train`` that a training started with; empty when none ended, or train.json does not record it."""
    provenance = train.provenance if train else None
    return dict(provenance.settings.get("train") or {}) if provenance else {}


def get_paths(run: str, model: ModelSection) -> dict[str, Path]:
    """Where a project has the facts of a run, relative to its folder, by name.

    Args:
        run: name of the run.
        model: section ``model`` of the config.
    """
    outputs = Path("outputs")
    return {
        "system": outputs / "env" / "system.json",
        "preflight": outputs / "env" / "preflight.json",
        "model": Path("resources") / "models" / get_model_name(model) / "model.json",
        "card": get_data_folder(run) / "card.json",
        "train": outputs / run / "train.json",
        "compare": outputs / run / "eval" / "compare.json",
        "ladder": outputs / run / "gguf" / "ladder.json",
        "metrics": Path("logs") / run / "train.metrics.jsonl",
        "phases": PHASES,
    }


def read_facts(paths: Mapping[str, Path], settings: Slice, run: str) -> RunFacts:
    """The facts that are there.

    Args:
        paths: by the names of ``get_paths``.
        settings: slice with method, backend, model and train.
        run: name of the run.
    """

    def read(kind: type[_File], name: str) -> _File | None:
        return kind.read(paths[name]) if paths[name].is_file() else None

    train = read(TrainFacts, "train")
    return RunFacts(
        method=train.method if train else settings.method,
        backend=train.backend if train else settings.backend,
        source=settings.model.source,
        run=run,
        requested=get_requested(train) or settings.train.dump(),
        system=read_json(paths["system"]) if paths["system"].is_file() else {},
        preflight=read(Preflight, "preflight"),
        model=read(ModelFacts, "model"),
        card=read(Card, "card"),
        train=train,
        compare=read(Compare, "compare"),
        ladder=read(Ladder, "ladder"),
        events=read_events(paths["metrics"]),
        attempts=read_attempts(paths["phases"]),
    )

"""What training calls: the contracts of methods and backends.

A method (``methods/<name>.py``) is one way to learn from rows; a backend (``backends/<name>.py``) is where and with
what a model is trained. Both are modules, found by file name. Attributes that a protocol below marks as optional need
not stand in a plug-in: the functions of gaslamp.config.methods, gaslamp.config.backends and gaslamp.report.methods give
their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel

from gaslamp.config.slices import Slice
from gaslamp.core import registry
from gaslamp.core.decisions import Decision
from gaslamp.core.events import Events
from gaslamp.data.rows import Row
from gaslamp.environment.memory_estimate import DeviceFacts, MemoryFit
from gaslamp.environment.system import System
from gaslamp.models.shape import Shape
from gaslamp.train.method import Context
from gaslamp.train.plan import Plan, Result
from gaslamp.train.problems import PlannedRun, Problem
from gaslamp.train.types import Columns, Trainer

Loaded = tuple[object, object]
"""A loaded model and the LoraConfig that the trainer should apply.

``None`` for one that carries its adapter, or needs none.
"""


class Method(Protocol):
    """A method plug-in. docs/extend.md shows one; tests/contracts checks each file."""

    # What it takes and makes
    KINDS: tuple[str, ...]  # kinds of rows (gaslamp.data.rows.KINDS) that it learns from, the usual one first
    NEEDS: str  # the rows that it needs, in words
    ARTEFACT: str  # causal_lm (writes text) | classifier (one number) | encoder (a vector)
    PRESET: dict[str, Any]  # train settings for what the config leaves null
    METRICS: tuple[str, ...]  # values that its trainer logs at each step
    DEFAULT_METRICS: tuple[str, ...]  # names of metrics/ for the evaluation; empty: by the look of the answers
    Settings: type[BaseModel]  # its own options (train.options)

    # Optional: what people read
    TITLE: str  # name of the task: "preference optimization"; default: the name in capitals
    REASON: str  # why this method for such rows; completes "because ..."
    LEARN: str  # Markdown: how the method works, what to look at
    PANELS: tuple[str, ...]  # ids of dashboard charts besides learning rate, gradient norm, speed and memory
    MAIN_PANELS: tuple[str, ...]  # charts of the terminal dashboard; default loss and grad_norm
    LOSS_NOTE: str  # what its loss covers besides the tokens that the data page and the log mark as learnt
    REFERENCE_LABEL: str  # what the reference of a test row is; default "expected"

    # Optional: what it can do
    ADAPTERS: tuple[str, ...]  # lora, none (full fine-tuning); default lora alone
    PACKS: bool  # several rows may stand in one sequence (train.packing)
    MULTIMODAL: bool  # the base model has a vision tower
    POOLING: str  # how token vectors become one, in llama.cpp's words; default by ARTEFACT
    BY_SIZE: dict[float, dict[str, Any]]  # on top of PRESET from so many billion parameters on
    FULL_PRESET: dict[str, Any]  # on top of both where every weight is trained
    FULL_BY_SIZE: dict[float, dict[str, Any]]  # and on top of that, by size
    EVALUATION_OPTIONS: tuple[str, ...]  # options that the evaluation needs as well
    TAKES_PLAIN: bool  # a row for which rows.is_plain holds needs no validate()

    # Optional: what the memory estimate and the choice of the batch size need
    SEQUENCES: int  # sequences that one row becomes; default 1
    REFERENCE: bool  # a second copy of the model, where every weight is trained
    CHUNKED_LOSS: bool  # the loss is computed in chunks: no logits of all tokens at once
    BATCH_IS_LOSS: bool  # rows of a batch are compared with each other: another batch size learns something else

    def validate(self, row: Row) -> list[str]:
        """What is wrong with a row, as short phrases; empty when nothing is."""

    def get_trainer(self, context: Context) -> Trainer:
        """A trainer for the TRL engine, ready to train."""

    # Optional functions:
    #   load_model(path, dtype) -> model                              instead of a causal language model
    #   prepare_row(row, plan) -> row                                 data phase: what no other method needs
    #   get_probe_batch(trainer, rows) -> batch or None               where the collator does not make what compute_loss
    # takes
    #   find_setting_problems(train) -> [(path below train, text)]    settings that contradict each other; read with the
    # config
    #   find_run_problems(run) -> [Problem]                           once rows, steps or the model's size are known
    #   save(trainer, folder)                                         instead of save_pretrained
    #   finish(folder)                                                changes the merged folder


class Backend(Protocol):
    """A backend plug-in. The top of the file imports the standard library and gaslamp only: the preflight reads it."""

    BUILT: bool
    REASON: str  # why it is not built; empty when it is
    EXTRA: str  # extra of pyproject.toml that installs it
    REQUIRES: tuple[str, ...]  # packages that must be importable where it trains
    METHODS: tuple[str, ...]  # names of the methods that it trains

    # Optional
    MACHINE: str  # what it trains on, in words, for the project brief
    REMOTE: bool  # trains on another machine, with a graph of its own
    VENV: str  # folder of an environment of its own, whose interpreter trains
    REFUSED: dict[str, str]  # method -> why this backend does not train it
    ALTERNATIVE: str  # what to use for a method in REFUSED
    AUTOTUNED: bool  # chooses what train.choose lists by the memory of its GPU
    VLLM: bool  # can sample completions with vLLM while training
    PROCESSES: bool  # several processes train together
    QUANTIZES: bool  # holds the base model in 4 or 8 bits
    TRACKERS: bool  # writes to experiment trackers (train.report_to); default yes
    AUTO_DTYPE: str  # what train.dtype: auto is on every machine, where that is certain
    UNUSED_SETTINGS: tuple[str, ...]  # keys of section train that it does not use

    def find_machine_problems(self, system: System) -> list[tuple[str, str]]:
        """What this machine lacks, each with what to use instead."""

    def prepare_process(self, settings: Slice) -> Decision:
        """Set what must stand before the heavy packages are imported; returns the choice of threads."""

    def train(self, plan: Plan, events: Events) -> Result:
        """Train the plan; write the finished adapter to ``plan.adapters``."""

    # Optional functions:
    #   find_machine_warnings(system) -> [text]
    #   find_setting_problems(settings) -> [(problem, fix)]           settings that it cannot follow
    #   find_setting_warnings(settings) -> [(problem, fix)]           settings that work, but not well
    #   get_lora_options(train) -> (keys of LORA_OPTIONS that it follows, what to do about the others); default: all
    #   find_model_problems(settings, folder) -> [(problem, fix)]     a base model that is already on this machine
    #   estimate_memory(shape, settings, system, device, builds_toolchain) -> MemoryFit
    #   check_checkpoint(folder) -> problem or None


class MemoryEstimate(Protocol):
    """Signature of a backend's ``estimate_memory``."""

    def __call__(
        self,
        shape: Shape,
        settings: Slice,
        system: System,
        device: DeviceFacts,
        builds_toolchain: bool,
    ) -> MemoryFit:
        """Calculate the memory of a training before anything is loaded."""


Loader = Callable[[Plan, str], Loaded]
"""A backend's own ``load(plan, dtype)``."""
RunCheck = Callable[[PlannedRun], Iterable[Problem]]
"""Signature of ``find_run_problems``."""
ModelLoader = Callable[[str, str], object]
Saver = Callable[[Trainer, Path], None]
ProbeBatch = Callable[[Trainer, Sequence[Columns]], dict[str, Any] | None]


def get_method(name: str) -> Method:
    """The method plug-in. Raises GaslampError with the nearest names when there is none."""
    return cast(Method, registry.get("methods", name))


def get_backend(name: str) -> Backend:
    """The backend plug-in. Raises GaslampError with the nearest names when there is none."""
    return cast(Backend, registry.get("backends", name))

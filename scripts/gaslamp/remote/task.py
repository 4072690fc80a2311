"""A step that runs on the other machine: its command line, what it makes, and where a training keeps its state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gaslamp.core.files import sha256_text
from gaslamp.remote.bundle import CONFIG, Bundle, get_inputs

OUTPUTS = {"train_model": ("--adapters", "--facts")}
"""The options that name what a step makes; all other steps have one, ``--out``."""
STATE = ("--checkpoints", "--metrics", "--log", "--config")
"""Options whose files are neither sent as inputs nor brought home as outputs."""


@dataclass(frozen=True)
class Task:
    """The command of a rule, as it would run here: ``scripts/evaluate_model.py --model ... --out ... --log ...``."""

    command: tuple[str, ...]

    def get(self, option: str) -> str | None:
        """The value of an option."""
        return self.command[self.command.index(option) + 1] if option in self.command else None

    @property
    def script(self) -> str:
        """``train_model``"""
        return Path(self.command[0]).stem

    @property
    def name(self) -> str:
        """Of the step over there: run and step, as its log is called here."""
        log = Path(self.get("--log") or f"{self.script}.log")
        return ".".join([*log.parent.parts[1:], log.stem])

    @property
    def outputs(self) -> list[str]:
        """Files and folders that come home."""
        return [value for option in OUTPUTS.get(self.script, ("--out",)) if (value := self.get(option))]

    @property
    def is_training(self) -> bool:
        """Whether it has metrics and checkpoints."""
        return "--metrics" in self.command

    @property
    def checkpoints(self) -> Path:
        """Folder of the run's checkpoints, the same here and there."""
        return Path(self.get("--checkpoints") or "")

    @property
    def metrics(self) -> Path:
        """The metrics.jsonl, the same name here and there."""
        return Path(self.get("--metrics") or "")

    @property
    def needs_llamacpp(self) -> str | None:
        """toolchain.json, which each machine has of its own."""
        return self.get("--toolchain")

    @cached_property
    def inputs(self) -> list[Path]:
        """What is sent."""
        own = [value for option in (*STATE, "--toolchain") if (value := self.get(option))]
        return get_inputs(self.command, [*own, *self.outputs])

    @property
    def there(self) -> list[str]:
        """The command over there: with the config that was sent."""
        command = list(self.command)
        if "--config" in command:
            command[command.index("--config") + 1] = CONFIG
        return command

    def get_key(self, bundle: Bundle) -> str:
        """What decides its result: the command and all bytes of the bundle."""
        return sha256_text(json.dumps([self.there, bundle.get_manifest()], sort_keys=True))[:16]

    def get_state_flags(self, backend: str) -> list[str]:
        """The options of scripts/answer_remote.py that say where its state is."""
        flags = ["--job", self.name, "--backend", backend]
        if self.is_training:
            flags += ["--checkpoints", self.checkpoints.as_posix(), "--metrics", self.metrics.as_posix()]
        return flags


def read_task(command: Sequence[str]) -> Task:
    """The task of a command line, without the interpreter."""
    return Task(tuple(command))

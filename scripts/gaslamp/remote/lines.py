"""The lines between the two machines: JSON objects with the key ``gaslamp``, written over there, read here.

The only module that knows their form. A program may print what it likes around them; a line that is missing or has
another form is an error, whatever the exit code was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gaslamp.remote.driver import RemoteError

MARK = "gaslamp"
State = Literal["none", "running", "finished", "failed", "killed"]
"""Of a command over there; killed: it is gone and logged no end."""


class Line(BaseModel):
    """Base of all lines; ``NAME`` is what stands under the key ``gaslamp``."""

    model_config = ConfigDict(extra="forbid")
    NAME: ClassVar[str]


class Setup(Line):
    """The environment over there has this project's packages."""

    NAME = "SETUP_OK"
    python: str
    python_version: str


class Verified(Line):
    """That machine can train."""

    NAME = "VERIFY_OK"
    backend: str
    machine: str  # in words
    gpus: int  # NVIDIA GPUs that the backend can use
    vram_gb: float | None
    disk_free_gb: float
    warnings: list[str]


class Model(Line):
    """The base model is there."""

    NAME = "MODEL_OK"
    sha256: str  # of the weights


class Job(Line):
    """What became of a command that was started over there."""

    NAME = "JOB"
    state: State
    key: str  # of the command and its inputs
    status: int | None = None  # exit code
    step: int = -1  # of the newest checkpoint; -1: none
    metrics: int = Field(0, ge=0)  # bytes of the metrics file
    seconds: float = Field(0.0, ge=0)  # that its last start took, from start to end; 0: it has no end yet


class Poll(Line):
    """News of a command."""

    NAME = "POLL"
    job: Job
    metrics: str  # whole lines of the metrics file from ``metrics_from`` on
    metrics_from: int = Field(ge=0)  # bytes; 0 where what is here does not begin what is there
    output: str  # what the program printed from the offset that was requested
    output_to: int = Field(ge=0)  # bytes


class Packed(Line):
    """An archive to bring home."""

    NAME = "PACKED"
    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")  # a file here is called by it
    size: int
    files: list[str]


class Jobs(Line):
    """All steps that were started over there."""

    NAME = "JOBS"
    jobs: list[str]  # name: state


class Stopped(Line):
    """No command of this project runs over there."""

    NAME = "STOPPED"
    ended: list[str]  # names of jobs that ran


One = TypeVar("One", bound=Line)


def write(line: Line) -> None:
    """Print a line."""
    print(json.dumps({MARK: line.NAME, **line.model_dump()}, ensure_ascii=True), flush=True)


def parse(lines: Sequence[str], kind: type[One]) -> One:
    """The last line of ``kind``.

    Raises:
        RemoteError: there is none, or it has another form.
    """
    for text in reversed(lines):
        if not text.startswith("{"):
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if values.pop(MARK, None) != kind.NAME:
            continue
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            raise RemoteError(
                "network", f"a line {kind.NAME} of another form: {error.errors()[0]['msg']}", "run the same command"
            ) from error
    said = " | ".join(lines[-3:])[:300]
    raise RemoteError(
        "network",
        f"the other machine did not print {kind.NAME}; its last words: {said or 'none'}",
        "run the same command",
        "a start file over there prints or ends the shell",
    )

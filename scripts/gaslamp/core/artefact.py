"""What every JSON file has that one phase writes and another reads: a version, where it came from, checked reading."""

from __future__ import annotations

import shlex
import sys
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gaslamp import __version__
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json, sha256_path, write_json

PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "accelerate",
    "tokenizers",
    "gguf",
    "snakemake",
    "mlx",
    "mlx-lm",
)


def now() -> str:
    """Local time with offset, to the second, as ISO 8601."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def get_versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Installed versions of the packages that matter; absent ones are left out. Imports none of them."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


class Provenance(BaseModel):
    """Where a file came from: inputs by content, the settings, the versions, the command, the time."""

    inputs: dict[str, str] = Field(default_factory=dict)  # path -> sha256
    settings: JsonObject = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    command: str = ""
    started: str = ""
    ended: str = ""

    @classmethod
    def start(cls, inputs: list[str | Path], settings: JsonObject | None = None) -> Provenance:
        """Begin a record: hashes ``inputs`` and notes command, versions and time."""
        return cls(
            inputs={str(path): sha256_path(path) for path in inputs},
            settings=settings or {},
            versions={"gaslamp": __version__, "python": sys.version.split()[0], **get_versions()},
            command=shlex.join(sys.argv),
            started=now(),
        )


class Artefact(BaseModel):
    """Base of all files: ``read`` checks, ``write`` is atomic and stamps the end time."""

    model_config = ConfigDict(extra="forbid")
    schema_version: int = 1
    provenance: Provenance | None = None

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read and check a file; one of another version or shape names the fix."""
        value = read_json(path)
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise GaslampError(
                f"{path} is not a {cls.__name__} file of this version: "
                f"{error.errors()[0]['msg']} at {error.errors()[0]['loc']}",
                f"delete {path} and run snakemake again",
            ) from error

    def write(self, path: str | Path) -> None:
        """Write atomically; NaN is refused."""
        if self.provenance:
            self.provenance.ended = now()
        write_json(path, self.model_dump())


class Score(BaseModel):
    """A share with its interval: ``value`` = mean over ``n`` rows, ``low``..``high`` the confidence interval."""

    value: float
    low: float
    high: float
    n: int

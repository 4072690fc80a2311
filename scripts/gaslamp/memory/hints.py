"""Discoveries that a person notes while they work: ``.reflect_hints.json`` in the project."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gaslamp.core.contracts import now
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json

FILE = ".reflect_hints.json"
PHASES = (2, 6)  # first and last phase in which hints are taken


class Hint(BaseModel):
    """One discovery."""

    model_config = ConfigDict(extra="forbid")
    timestamp: str
    hint: str = Field(min_length=1)
    phase: int
    type_hint: Literal["lesson", "skill", "user"] | None = None


_HINTS = TypeAdapter(list[Hint])


def read_hints(project: Path) -> list[Hint]:
    """The hints of a project, oldest first; none when the file is missing. A malformed file is an error and stays untouched."""
    path = project / FILE
    if not path.is_file():
        return []
    fix = f"repair {path} by hand (a JSON list of objects with timestamp, hint, phase, type_hint), or move it away"
    try:
        return _HINTS.validate_python(read_json(path))
    except GaslampError as error:
        raise GaslampError(error.cause, fix) from error
    except ValidationError as error:
        raise GaslampError(f"{path}: {error.errors()[0]['msg']} at {error.errors()[0]['loc']}", fix) from error


def add_hint(project: Path, phase: int, text: str, kind: str | None = None) -> Hint:
    """Append one hint, atomically. Raises GaslampError for an empty text, a phase that takes none, a malformed file."""
    if not PHASES[0] <= phase <= PHASES[1]:
        raise GaslampError(
            f"phase {phase} takes no hints", f"give a phase from {PHASES[0]} (data) to {PHASES[1]} (export)"
        )
    if not text.strip():
        raise GaslampError("the hint is empty", 'say what was found: --hint "..."')
    hints = read_hints(project)
    hint = Hint.model_validate({"timestamp": now(), "hint": text.strip(), "phase": phase, "type_hint": kind})
    write_json(project / FILE, [item.model_dump() for item in [*hints, hint]])
    return hint

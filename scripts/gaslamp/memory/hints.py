"""Hints: discoveries that a person notes during a run, in ``.reflect_hints.json`` of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gaslamp.core.contracts import now
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json

FILE = ".reflect_hints.json"
PHASE_NAMES = {1: "environment", 2: "data", 3: "train", 4: "evaluate", 5: "report", 6: "export", 7: "serve"}
"""The phases that take hints, numbered as in the README; 0 (project) and 8 (memory) take none."""


class Hint(BaseModel):
    """One discovery: when, in which phase, and (when the person said so) what kind of memory entry it is."""

    model_config = ConfigDict(extra="forbid")
    timestamp: str
    hint: str = Field(min_length=1)
    phase: int
    type_hint: Literal["lesson", "skill", "user"] | None = None


_HINTS = TypeAdapter(list[Hint])


def read_hints(project: Path) -> list[Hint]:
    """The hints of a project, oldest first; none when the file is missing.

    Raises:
        GaslampError: the file is malformed; it stays untouched.
    """
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
    """Append one hint; the file is replaced atomically.

    Args:
        project: folder of the project.
        phase: number of the phase, a key of ``PHASE_NAMES``.
        text: the discovery, in a sentence.
        kind: ``lesson``, ``skill`` or ``user``; ``None`` counts as a lesson.

    Raises:
        GaslampError: an empty text, a phase that takes no hints, or a malformed file.
    """
    if phase not in PHASE_NAMES:
        known = ", ".join(f"{number} ({name})" for number, name in PHASE_NAMES.items())
        raise GaslampError(f"phase {phase} takes no hints", f"choose one of {known}")
    if not text.strip():
        raise GaslampError("the hint is empty", 'describe what you found: --hint "..."')
    hints = read_hints(project)
    hint = Hint.model_validate({"timestamp": now(), "hint": text.strip(), "phase": phase, "type_hint": kind})
    write_json(project / FILE, [item.model_dump() for item in [*hints, hint]])
    return hint

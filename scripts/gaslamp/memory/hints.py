"""Hints: discoveries that a person notes during a run, in ``.reflect_hints.json`` of the project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gaslamp.core.attempts import read_attempts
from gaslamp.core.console import PHASES
from gaslamp.core.contracts import now
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.memory.conditions import parse
from gaslamp.memory.recipe_values import check_values
from gaslamp.memory.recipes import Value, check_keys

FILE = ".reflect_hints.json"
PHASE_NAMES = {1: "environment", 2: "data", 3: "train", 4: "evaluate", 5: "report", 6: "export", 7: "serve"}
"""The phases that take hints, numbered as in the README; 0 (project) and 8 (memory) take none."""

STEPS = {
    1: ("detect_", "check_preflight", "fetch_model", "build_llamacpp", "check_export"),
    2: ("generate_rows", "select_rows", "prepare_data", "build_data_page", "match_rows"),
    3: ("train_model", "run_remote"),
    4: ("evaluate_model", "evaluate_rival", "compare_models", "evaluate_target", "run_lm_eval"),
    5: ("build_demo", "build_report", "write_"),
    6: ("merge_", "convert_", "quantize_", "evaluate_gguf", "build_imatrix", "build_ladder", "check_parity", "export_"),
    7: ("measure_gguf", "serve_model"),
}
"""How the names of a phase's steps begin."""


class Hint(BaseModel):
    """One discovery: when, in which phase, and (when the person said so) what kind of memory entry it is."""

    model_config = ConfigDict(extra="forbid")
    timestamp: str
    hint: str = Field(min_length=1)
    phase: int
    type_hint: Literal["lesson", "skill", "user"] | None = None
    settings: dict[str, Value] = Field(default_factory=dict)  # makes a recipe of it
    when: str | None = None  # where the recipe holds; None: the same method and hardware


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


def add_hint(
    project: Path,
    phase: int | None,
    text: str,
    kind: str | None = None,
    settings: Mapping[str, Value] | None = None,
    when: str | None = None,
) -> Hint:
    """Append one hint; the file is replaced atomically.

    Args:
        project: folder of the project.
        phase: number of the phase, a key of ``PHASE_NAMES``; ``None``: that of the step that ran last.
        text: the discovery, in a sentence.
        kind: ``lesson``, ``skill`` or ``user``; ``None`` counts as a skill when it has settings, else as a lesson.
        settings: config keys and values that the next project should begin with.
        when: condition of these settings (``conditions.parse``).

    Raises:
        GaslampError: an empty text, a phase that takes no hints, settings that a recipe may not have, a wrong
            condition, or a malformed file.
    """
    phase = find_phase(project) if phase is None else phase
    if when:
        parse(when)
    check_keys(settings or {})
    check_values(settings or {})
    if phase not in PHASE_NAMES:
        known = ", ".join(f"{number} ({name})" for number, name in PHASE_NAMES.items())
        raise GaslampError(f"phase {phase} takes no hints", f"choose one of {known}")
    if not text.strip():
        raise GaslampError("the hint is empty", 'describe what you found: --hint "..."')
    hints = read_hints(project)
    values = {"timestamp": now(), "hint": text.strip(), "phase": phase, "type_hint": kind}
    hint = Hint.model_validate({**values, "settings": dict(settings or {}), "when": when})
    write_json(project / FILE, [item.model_dump(exclude={"settings", "when"} - _used(item)) for item in [*hints, hint]])
    return hint


def _used(hint: Hint) -> set[str]:
    return {name for name, value in (("settings", hint.settings), ("when", hint.when)) if value}


def find_phase(project: Path) -> int:
    """The phase of the step that ran last, by ``logs/phases.jsonl``; training when none ran yet."""
    attempts = read_attempts(project / PHASES)
    last = attempts[-1].step if attempts else ""
    return next((phase for phase, steps in STEPS.items() if last.startswith(steps)), 3)

"""Lessons that act: matching recipes are written into config.yaml, recorded, printed, and taken back on request.

Of other packages it needs PyYAML alone: cookiecutter's interpreter calls this before anything is installed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from gaslamp.config.edit import MISSING, get_line, put_line, remove_comment, write_scalar
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json, write_json, write_text
from gaslamp.memory.recipes import Applied, find_id, get_matching, read_recipes
from gaslamp.memory.situation import get_situation

FILE = ".gaslamp_applied.json"
"""What of the memory was applied to a project; in its folder."""


class Setting(TypedDict):
    """One line that a recipe wrote; values as YAML, ``before`` empty where the key was not in the file."""

    key: str
    value: str
    before: str


class Record(TypedDict):
    """A recipe that was applied, in ``.gaslamp_applied.json``."""

    recipe: str
    title: str
    reason: str
    source: str
    when: str
    undo: str
    date: str
    settings: list[Setting]
    undone: str | None  # the date


def apply_memory(
    project: Path, home: Path, backend: str | None = None, defaults: Mapping[str, object] | None = None
) -> list[str]:
    """Write the settings of the recipes that match into the project's config.yaml, and record them.

    A second call changes nothing: what was applied, or taken back, is not applied again.

    Args:
        project: folder of the project.
        home: the memory folder, or the project's snapshot of it.
        backend: of the profile; ``None``: that of config.yaml.
        defaults: value of each key that a person has not changed; a key with another value is left alone. ``None``:
            a new project, in which everything is a default.

    Returns:
        What was done, and what was not with the reason, as lines to print; none when no recipe matches.

    Raises:
        GaslampError: the memory or config.yaml cannot be read.
    """
    text, matching, problems = list_matching(project, home, backend)
    changed, records, lines = write_settings(text, matching, defaults)
    if records:
        write_text(project / "config.yaml", changed)
        write_json(project / FILE, {"schema_version": 1, "applied": [*read_applied(project), *records]})
    return [*lines, *problems]


def list_matching(project: Path, home: Path, backend: str | None) -> tuple[str, list[Applied], list[str]]:
    """The text of config.yaml, the recipes that fit and were never applied, and what is wrong with others.

    Arguments and errors as for ``apply_memory``.
    """
    import yaml

    text = (project / "config.yaml").read_text(encoding="utf-8")
    if not read_recipes(home):  # nothing to match: the machine need not be looked at
        return text, [], []
    problems: list[str] = []
    situation = get_situation(yaml.safe_load(text) or {}, project, backend)
    known = {record["recipe"] for record in read_applied(project)}
    return text, [one for one in get_matching(situation, home, problems) if one.recipe not in known], problems


def write_settings(
    text: str, matching: Sequence[Applied], defaults: Mapping[str, object] | None = None
) -> tuple[str, list[Record], list[str]]:
    """``text`` of config.yaml with the settings of ``matching``, the records of what was written, and lines to print.

    Args:
        text: of config.yaml.
        matching: from ``get_matching``.
        defaults: as for ``apply_memory``.
    """
    import yaml

    records: list[Record] = []
    lines = []
    for one in matching:
        written: list[Setting] = []
        for key, value in one.settings.items():
            before, after = get_line(text, key), write_scalar(value)
            if before == after:
                continue
            if defaults is not None and before != MISSING and not is_default(yaml.safe_load(before), defaults.get(key)):
                lines.append(f"memory: {key} stays {before}, which you set; {one.title} ({one.source}) had {after}")
                continue
            text = put_line(text, key, after, get_comment(one, before))
            written.append({"key": key, "value": after, "before": before})
        for key, other in one.left_out.items():
            lines.append(f"memory: {key} of {one.title} ({one.source}) is not used: {other} fits better")
        if written:
            records.append(_make_record(one, written))
            values = ", ".join(f"{each['key']}: {each['value']} ({show_before(each['before'])})" for each in written)
            lines.append(f"memory: {values} because of {one.source}: {one.reason} (undo: {one.undo})")
    return text, records, lines


def is_default(value: object, default: object) -> bool:
    """Whether a value of config.yaml leaves the choice as the default does: ``auto`` and null both do."""
    is_open = (None, "auto")
    return value == default or (value in is_open and default in is_open)


def get_comment(one: Applied, before: str) -> str:
    """The comment above a line that a recipe wrote: what it was, the lesson, and how to take it back."""
    reason = re.sub(r"\s+", " ", one.reason)
    return f"from memory {one.recipe} ({one.source}), {show_before(before)}: {reason}. Undo: {one.undo}"


def show_before(before: str) -> str:
    """What a setting was before a recipe changed it, in words."""
    return f"before: {before}" if before != MISSING else "not in the file before"


def read_applied(project: Path) -> list[Record]:
    """What of the memory was applied to a project, oldest first; none when the file is missing."""
    if not (project / FILE).is_file():
        return []
    value: JsonObject = read_json(project / FILE)
    records: list[Record] = value["applied"]
    return records


def undo(project: Path, recipe: str) -> list[str]:
    """Put back what config.yaml had before a recipe was applied; a line that was changed since stays.

    Args:
        project: folder of the project.
        recipe: its id, the last part of it, or as much of that as is clear.

    Returns:
        What was done, as lines to print.

    Raises:
        GaslampError: no such recipe was applied, or several may be meant.
    """
    records = read_applied(project)
    if not records:
        raise GaslampError("no recipe was applied to this project", "make memory lists what is remembered")
    wanted = find_id(recipe, (each["recipe"] for each in records))
    record = next(each for each in records if each["recipe"] == wanted)
    file = project / "config.yaml"
    text = file.read_text(encoding="utf-8")
    lines = []
    for setting in record["settings"]:
        if (now := get_line(text, setting["key"])) != setting["value"]:
            lines.append(f"{setting['key']} stays {now or 'deleted'}: it was changed after the recipe set it")
            continue
        text = put_line(text, setting["key"], setting["before"])
        back = setting["before"] or "not in the file"
        lines.append(f"{setting['key']}: {back} again (was {setting['value']})")
    write_text(file, remove_comment(text, f"from memory {record['recipe']} "))
    record["undone"] = datetime.date.today().isoformat()
    write_json(project / FILE, {"schema_version": 1, "applied": records})
    return lines


def _make_record(one: Applied, written: list[Setting]) -> Record:
    return {
        "recipe": one.recipe,
        "title": one.title,
        "reason": one.reason,
        "source": one.source,
        "when": one.when,
        "undo": one.undo,
        "date": datetime.date.today().isoformat(),
        "settings": written,
        "undone": None,
    }

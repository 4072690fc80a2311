"""The memory as text for a terminal: every entry with its id, and what this project took of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gaslamp.config.edit import write_scalar
from gaslamp.memory.apply import Record
from gaslamp.memory.entry import LIMITS, Entry, Kind
from gaslamp.memory.recipes import get_short_id
from gaslamp.memory.shelf import Shelf

TITLES: dict[Kind, str] = {"user": "About you", "lessons": "Lessons", "skills": "Recipes"}


def render_memory(entries: Mapping[Kind, Sequence[Entry]], applied: Sequence[Record], home: str) -> str:
    """The lines to print.

    Args:
        entries: by kind, oldest first.
        applied: what of the memory was applied to the project; empty without one.
        home: where the memory is, as a person writes it.
    """
    if not any(entries.values()) and not applied:
        return f"nothing is remembered yet in {home}: the end of a run fills it, and make hint HINT=..."
    lines = []
    for kind, title in TITLES.items():
        if not entries[kind]:
            continue
        size = len(Shelf(kind, entries=list(entries[kind])).render(kind))
        lines += [f"{title} ({size} of {LIMITS[kind]} characters)"]
        for entry in entries[kind]:
            lines += [f"  {get_short_id(entry.candidate_id):8}  {entry.title}"]
            values = ", ".join(f"{key}: {write_scalar(value)}" for key, value in entry.settings.items())
            details = [
                entry.body,
                *entry.steps,
                f"sets {values}" if values else "",
                f"where {entry.when}" if entry.when else "",
                f"from {entry.source.project}, run {entry.source.run}, {entry.date}" if entry.source.project else "",
            ]
            lines += [f"            {detail}" for detail in details if detail]
        lines += [""]
    for record in applied:
        values = ", ".join(f"{each['key']}: {each['value']}" for each in record["settings"])
        state = f"taken back on {record['undone']}" if record["undone"] else f"undo: {record['undo']}"
        lines += [f"applied to this project: {values} ({get_short_id(record['recipe'])}; {state})"]
    lines += [f"in {home}; make memory FORGET=id, EXPORT=file, IMPORT=file; in a project APPLY=1, UNDO=id"]
    return "\n".join(lines)

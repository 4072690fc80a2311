"""What `make memory`, `make hint` and `make reflect` say to programs."""

from __future__ import annotations

from typing import Any, Self

from gaslamp.core.document import Document, Part
from gaslamp.memory.apply import Record
from gaslamp.memory.entry import Entry, Kind, Outcome
from gaslamp.memory.hints import PHASE_NAMES, Hint
from gaslamp.memory.recipes import get_short_id


class EntryPart(Part):
    """One thing that is remembered."""

    id: str  # for FORGET= and UNDO=
    kind: Kind
    title: str
    body: str
    settings: dict[str, Any]
    when: str | None
    project: str
    run: str
    date: str

    @classmethod
    def make(cls, entry: Entry) -> Self:
        """Of an entry of the memory."""
        return cls(
            id=get_short_id(entry.candidate_id),
            kind=entry.kind,
            title=entry.title,
            body=entry.body,
            settings=dict(entry.settings),
            when=entry.when,
            project=entry.source.project,
            run=entry.source.run,
            date=entry.date,
        )


class AppliedPart(Part):
    """A recipe that was written into this project's config.yaml."""

    id: str  # for UNDO=
    title: str
    reason: str
    date: str
    settings: dict[str, str]  # key -> value, as YAML
    before: dict[str, str]  # key -> value, as YAML; empty where the key was not there
    undone: str | None  # the date

    @classmethod
    def make(cls, record: Record) -> Self:
        """Of a record in .gaslamp_applied.json."""
        return cls(
            id=get_short_id(record["recipe"]),
            title=record["title"],
            reason=record["reason"],
            date=record["date"],
            settings={each["key"]: each["value"] for each in record["settings"]},
            before={each["key"]: each["before"] for each in record["settings"]},
            undone=record["undone"],
        )


class MemoryDocument(Document):
    """``make memory JSON=1``: after FORGET=, IMPORT= ... what was done, and what is remembered then."""

    home: str
    done: list[str]
    entries: list[EntryPart]
    applied: list[AppliedPart]  # to this project


class HintPart(Part):
    """One hint of this project."""

    timestamp: str
    hint: str
    phase: int
    phase_name: str
    type: str  # lesson, skill, user
    settings: dict[str, Any]
    when: str | None

    @classmethod
    def make(cls, hint: Hint) -> Self:
        """Of a hint as it is kept."""
        return cls(
            timestamp=hint.timestamp,
            hint=hint.hint,
            phase=hint.phase,
            phase_name=PHASE_NAMES[hint.phase],
            type=hint.type_hint or ("skill" if hint.settings else "lesson"),
            settings=dict(hint.settings),
            when=hint.when,
        )


class HintsDocument(Document):
    """``make hint JSON=1 HINT="..."``: the hints of this project, the new one last."""

    hints: list[HintPart]


class ReflectionDocument(Document):
    """``make reflect JSON=1`` and ``make reflect-dry JSON=1``: what became of each candidate, and why."""

    is_written: bool
    payload: str  # file with every entry
    outcomes: list[Outcome]

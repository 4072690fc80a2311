"""One thing worth remembering, and the gate that decides whether it may leave its project."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gaslamp.config.edit import write_scalar
from gaslamp.core.files import sha256_text
from gaslamp.memory.cleaning import clean_value
from gaslamp.memory.conditions import parse
from gaslamp.memory.recipes import Value, check_keys

Kind = Literal["user", "lessons", "skills"]
LIMITS: dict[Kind, int] = {"user": 2000, "lessons": 3000, "skills": 3000}
"""Characters of each rendered file."""
TITLE, BODY = 60, 120  # characters
JUDGEMENT = {"priority", "durability", "decision", "source_candidates"}
"""What the gate needs; it is not stored."""


class Source(BaseModel):
    """The project and the run that an entry comes from; ``by``: who exported it, empty for this user."""

    model_config = ConfigDict(extra="forbid")
    project: str = ""
    run: str = ""


class Entry(BaseModel):
    """Something worth remembering, with what the gate needs to judge it.

    Making one cleans every text of secrets and personal paths, so that none can enter the memory.
    """

    model_config = ConfigDict(extra="forbid")
    kind: Kind
    candidate_id: str = Field(min_length=1)  # project:section_N:8 hex
    title: str = Field(max_length=TITLE, min_length=1)
    body: str = Field("", max_length=BODY)
    when: str | None = None  # skills: task=... AND hardware=... [AND model_size<=NB], see conditions.py
    steps: list[str] = Field(default_factory=list)
    settings: dict[str, Value] = Field(default_factory=dict)  # config key -> value that is applied where `when` holds
    measured: dict[str, float | str] = Field(default_factory=dict)  # figures behind it, such as peak_memory_gb
    source: Source = Field(default_factory=Source)
    date: str  # YYYY-MM-DD
    priority: Literal["high", "medium", "low"] | None = None
    durability: Literal["durable", "recurring", "transient"] | None = None
    decision: Literal["promote", "keep_project_only"] | None = None
    source_candidates: list[str] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        cleaned = clean_value(values)
        assert isinstance(cleaned, dict)
        for key, limit in (("title", TITLE), ("body", BODY)):  # cleaning may make a text longer, never too long
            if isinstance(cleaned.get(key), str) and len(values[key]) <= limit:
                cleaned[key] = cleaned[key][:limit]
        return cleaned

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.settings:
            check_keys(self.settings)
        if self.when:
            parse(self.when)
        return self

    def get_text(self) -> str:
        """What is remembered, as Markdown without the title."""
        lines = [f"when: {self.when}"] if self.when else []
        values = ", ".join(f"{key}: {write_scalar(value)}" for key, value in self.settings.items())
        lines += [f"settings: {values}"] if values else []
        lines += [self.body] if self.body else []
        lines += [f"{number}. {step}" for number, step in enumerate(self.steps, 1)]
        figures = ", ".join(f"{name} {value}" for name, value in self.measured.items())
        lines += [f"measured: {figures}"] if figures else []
        return "\n".join(lines)

    def get_hash(self) -> str:
        """sha256 of title and text, letter case and white space aside: equal entries have equal ones."""
        return sha256_text("\n".join(" ".join(part.lower().split()) for part in (self.title, self.get_text())))

    def render(self) -> str:
        """The entry as a Markdown section."""
        return f"## {self.title}\n{self.get_text()}\n<!-- date: {self.date} source: {self.candidate_id} -->\n"


class Outcome(BaseModel):
    """The outcome of one entry, with its reason."""

    candidate_id: str
    kind: str
    title: str
    outcome: Literal["promoted", "gate_blocked", "dup_skipped", "evicted_to_archive"]
    reason: str


def check_gate(entry: Entry) -> tuple[bool, str]:
    """Whether an entry may leave its project, and why. An entry without any judgement passes with a warning."""
    if entry.priority is None and entry.durability is None and entry.decision is None:
        return True, "warning: no priority, durability or decision given, taken as high, recurring, promote"
    judgement = f"priority {entry.priority}, durability {entry.durability}, decision {entry.decision}"
    passes = entry.priority == "high" and entry.durability in ("durable", "recurring") and entry.decision == "promote"
    return passes, judgement

"""The long-term memory on disk: ``user.md``, ``lessons.md``, ``skills.md`` in ``$GASLAMP_HOME`` and their archive.

An entry is a Markdown section: ``## title``, its lines, and a comment with date and source. A person may edit the
files; hashes are computed from the text in the file, never taken from the comment.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gaslamp.core.files import sha256_text, write_text

LIMITS = {"user": 2000, "lessons": 3000, "skills": 3000}  # characters of the whole file
TITLE, BODY = 60, 120  # characters

_META = re.compile(r"\n?<!-- date: (\S+) source: (\S+) -->")


class Entry(BaseModel):
    """Something worth remembering, with what the gate needs to judge it."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["user", "lessons", "skills"]
    candidate_id: str  # project:section_N:8 hex
    title: str = Field(max_length=TITLE, min_length=1)
    body: str = Field("", max_length=BODY)
    when: str | None = None  # skills: task=... AND hardware=... [AND model_size<=NB]
    steps: list[str] = Field(default_factory=list)
    date: str
    priority: Literal["high", "medium", "low"] | None = None
    durability: Literal["durable", "recurring", "transient"] | None = None
    decision: Literal["promote", "keep_project_only"] | None = None
    source_candidates: list[str] = Field(default_factory=list)

    def get_text(self) -> str:
        """What is remembered, without title and comment."""
        lines = [f"when: {self.when}"] if self.when else []
        lines += [self.body] if self.body else []
        lines += [f"{number}. {step}" for number, step in enumerate(self.steps, 1)]
        return "\n".join(lines)


class Outcome(BaseModel):
    """The outcome of one entry, with its reason."""

    candidate_id: str
    kind: str
    title: str
    outcome: Literal["promoted", "gate_blocked", "dup_skipped", "evicted_to_archive"]
    reason: str


class _Stored(BaseModel):
    title: str
    text: str
    date: str = ""
    source: str = ""

    def render(self) -> str:
        meta = f"\n<!-- date: {self.date} source: {self.source} -->" if self.date else ""
        return f"## {self.title}\n{self.text}{meta}\n"


def get_hash(title: str, text: str) -> str:
    """sha256 of title and text, letter case and white space aside."""
    return sha256_text("\n".join(" ".join(part.lower().split()) for part in (title, text)))


def _read(path: Path) -> tuple[str, list[_Stored]]:
    """The text before the first entry, and the entries."""
    if not path.is_file():
        return f"# {path.stem.capitalize()}\n", []
    head, *sections = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stored = []
    for section in sections:
        title, _, text = section.partition("\n")
        meta = _META.search(text)
        text = _META.sub("", text).strip()
        stored.append(
            _Stored(title=title.strip(), text=text, date=meta[1] if meta else "", source=meta[2] if meta else "")
        )
    return head.rstrip() + "\n", stored


def check_gate(entry: Entry) -> tuple[bool, str]:
    """Whether an entry may leave its project, and why. An entry without any judgement passes with a warning."""
    if entry.priority is None and entry.durability is None and entry.decision is None:
        return True, "warning: no priority, durability or decision given, taken as high, recurring, promote"
    judgement = f"priority {entry.priority}, durability {entry.durability}, decision {entry.decision}"
    passes = entry.priority == "high" and entry.durability in ("durable", "recurring") and entry.decision == "promote"
    return passes, judgement


def remember(entries: list[Entry], home: Path, dry_run: bool = False) -> list[Outcome]:
    """Put ``entries`` through the gate, deduplication and character limits, and write what passes.

    A user entry replaces the one of the same title; so does an entry that the same project made earlier. When a file
    gets too long, its oldest entries move to ``archive/<kind>_<year>_Q<quarter>.md``.

    Args:
        entries: candidates, in the order in which they are taken.
        home: folder of the memory.
        dry_run: write nothing.

    Returns:
        The outcome of each entry, and of each entry that moved to the archive.
    """
    outcomes: list[Outcome] = []
    for kind, limit in LIMITS.items():
        path = home / f"{kind}.md"
        head, stored = _read(path)
        before = [item.model_copy() for item in stored]
        for entry in (entry for entry in entries if entry.kind == kind):
            passes, reason = check_gate(entry)
            outcome: Literal["promoted", "gate_blocked", "dup_skipped"] = "promoted"
            digest = get_hash(entry.title, entry.get_text())
            old = next((i for i, item in enumerate(stored) if _is_same(item, entry)), None)
            if not passes:
                outcome = "gate_blocked"
            elif any(get_hash(item.title, item.text) == digest for item in stored):
                outcome, reason = "dup_skipped", "the memory already has this title and text"
            else:
                new = _Stored(title=entry.title, text=entry.get_text(), date=entry.date, source=entry.candidate_id)
                if old is None:
                    stored.append(new)
                else:
                    reason += ", replaces its older version"
                    stored[old] = new
            outcomes.append(
                Outcome(candidate_id=entry.candidate_id, kind=kind, title=entry.title, outcome=outcome, reason=reason)
            )
        if stored == before:
            continue
        evicted: list[_Stored] = []
        while len(_render(head, stored)) > limit and stored:
            oldest = min(range(len(stored)), key=lambda index: stored[index].date or "9999")
            evicted.append(stored.pop(oldest))
        for item in evicted:
            reason = f"{kind}.md is full ({limit} characters), this was the oldest"
            outcomes.append(
                Outcome(
                    candidate_id=item.source or "unknown",
                    kind=kind,
                    title=item.title,
                    outcome="evicted_to_archive",
                    reason=reason,
                )
            )
        if not dry_run:
            # the archive first: a crash in between leaves an entry twice, never nowhere
            _archive(evicted, kind, home)
            write_text(path, _render(head, stored))
    return outcomes


def _is_same(item: _Stored, entry: Entry) -> bool:
    same_source = bool(item.source) and item.source == entry.candidate_id
    return same_source or (entry.kind == "user" and item.title.lower() == entry.title.lower())


def _render(head: str, stored: list[_Stored]) -> str:
    return "\n".join([head, *(item.render() for item in stored)])


def _archive(evicted: list[_Stored], kind: str, home: Path) -> None:
    for item in evicted:
        day = (
            datetime.date.fromisoformat(item.date)
            if re.fullmatch(r"\d{4}-\d\d-\d\d", item.date)
            else datetime.date.today()
        )
        path = home / "archive" / f"{kind}_{day.year}_Q{(day.month + 2) // 3}.md"
        head, there = _read(path)
        write_text(path, _render(head, [*there, item]))

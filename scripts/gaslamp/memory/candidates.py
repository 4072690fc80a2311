"""Candidates for the long-term memory: what a run teaches, derived from its facts, and what a person noted."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaslamp.core.console import get_size
from gaslamp.core.contracts import Compare, Ladder, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_text
from gaslamp.environment.system import describe_hardware
from gaslamp.memory.entry import BODY, TITLE, Entry
from gaslamp.memory.hints import read_hints
from gaslamp.pages.numbers import format_value

NOTES = "Discoveries & Notes"
"""Heading of memory.md under which a person writes notes."""
KEEP = "keep_project_only"
DURABLE = ("high", "durable", "promote")
RECURRING = ("high", "recurring", "promote")


def shorten(text: str, limit: int) -> str:
    """One line of at most ``limit`` characters, cut at a word."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(" ,;:.") + "…"


@dataclass(frozen=True)
class Facts:
    """What a run recorded: system.json, train.json, compare.json and ladder.json."""

    system: dict[str, Any]
    train: TrainFacts
    compare: Compare
    ladder: Ladder

    def get_scores(self) -> str:
        """Base and tuned by the first metric, in words."""
        first = self.compare.metrics[0]
        before, after = (format_value(score.value, first.unit) for score in (first.base, first.tuned))
        return f"{before} to {after} ({first.title}, n = {self.compare.n})"


@dataclass(frozen=True)
class Maker:
    """Makes the entries of one project. An id names what the entry is about, so that a rerun replaces its own entry."""

    slug: str
    date: str

    def make(
        self,
        kind: str,
        section: int,
        title: str,
        body: str = "",
        judged: tuple[str, str, str] = DURABLE,
        about: str = "",
        when: str | None = None,
        steps: Sequence[str] = (),
    ) -> Entry:
        """One entry.

        Args:
            kind: ``user``, ``lessons`` or ``skills``.
            section: of the roadbook that it comes from.
            title, body: cut to what an entry may hold.
            judged: priority, durability and decision.
            about: what it is about, for its id; empty: the title.
            when: condition of a skill.
            steps: steps of a skill.
        """
        identity = f"{self.slug}:section_{section}:{sha256_text(kind + (about or title))[:8]}"
        priority, durability, decision = judged
        return Entry.model_validate(
            {
                "kind": kind,
                "candidate_id": identity,
                "title": shorten(title, TITLE),
                "body": shorten(body, BODY),
                "when": when,
                "steps": list(steps),
                "date": self.date,
                "priority": priority,
                "durability": durability,
                "decision": decision,
                "source_candidates": [identity],
            }
        )


def extract(project: Path, name: str, domain: str, source: str, facts: Facts) -> list[Entry]:
    """The candidates of one run, in a fixed order. The gate decides which of them leave the project.

    Args:
        project: folder with ``.reflect_hints.json`` and ``memory.md``, if they exist.
        name: the project's name, part of every candidate's id.
        domain: field of the audience.
        source: the base model's ``model.source``.
        facts: what the run recorded.
    """
    model = source.removeprefix("embedded:")
    maker = Maker(re.sub(r"\W+", "_", name).strip("_") or "project", datetime.date.today().isoformat())
    entries = []
    if hardware := describe_hardware(facts.system):
        entries.append(maker.make("user", 5, "Hardware", hardware))
    entries.append(maker.make("user", 1, "Domain", f"Works on {domain} tasks", ("medium", "durable", KEEP)))
    entries.append(_get_result(maker, facts, name, model))
    entries += _get_level(maker, facts.ladder, model)
    entries += _get_retention(maker, facts, model)
    if facts.train.attempts > 1:
        body = f"{facts.train.attempts} attempts, resumed at {facts.train.resumed_from}"
        entries.append(maker.make("lessons", 7, "Training was interrupted", body, ("medium", "transient", KEEP)))
    return [*entries, *_get_hints(maker, facts.train, project), *_get_notes(maker, project)]


def _get_result(maker: Maker, facts: Facts, name: str, model: str) -> Entry:
    """A skill when training helped, else a lesson."""
    train = facts.train
    if facts.compare.verdict != "better":
        return maker.make(
            "lessons",
            8,
            f"{train.method} of {model}: {facts.compare.verdict}",
            f"{facts.get_scores()}; {train.train_rows} rows, {train.steps} steps",
            RECURRING,
            about=f"result {train.method} {model}",
        )
    size = max(1, -(-train.total_parameters // 1_000_000_000))
    return maker.make(
        "skills",
        6,
        f"{train.method} that worked: {name}",
        about=f"recipe {train.method} {model}",
        when=f"task={train.method} AND hardware={train.backend} AND model_size<={size}B",
        steps=[
            f"{train.method} on {model}: {train.train_rows} rows, {train.steps} steps, {train.dtype}",
            f"takes {train.seconds_per_step:.2g} s a step and {train.peak_memory_gb:.1f} GB on {train.backend}",
            f"gave {facts.get_scores()}",
        ],
    )


def _get_level(maker: Maker, ladder: Ladder, model: str) -> list[Entry]:
    chosen = next((level for level in ladder.levels if level.level == ladder.recommended), None)
    if chosen is None:
        return []
    score, size = format_value(chosen.score.value, ladder.unit), get_size(chosen.size_bytes)
    body = f"{score}, {size}, {format_value(chosen.same_as_f16)} same answers as f16; {ladder.reason}"
    title = f"{model}: {chosen.level} is the level to ship"
    return [maker.make("lessons", 10, title, body, RECURRING, about=f"level {model}")]


def _get_retention(maker: Maker, facts: Facts, model: str) -> list[Entry]:
    """What the model forgot; it leaves the project only when the intervals of base and tuned do not overlap."""
    retention, train = facts.compare.retention, facts.train
    if not {"base", "tuned"} <= set(retention):
        return []
    base, tuned = retention["base"], retention["tuned"]
    change = f"{format_value(base.value)} to {format_value(tuned.value)} (n = {tuned.n})"
    return [
        maker.make(
            "lessons",
            8,
            f"{train.method} of {model}: what it forgot",
            f"general questions {change} after {train.steps} steps",
            RECURRING if tuned.high < base.low else ("medium", "recurring", KEEP),
            about=f"retention {model}",
        )
    ]


def _get_hints(maker: Maker, train: TrainFacts, project: Path) -> list[Entry]:
    kinds = {"lesson": "lessons", "skill": "skills", "user": "user"}
    entries = []
    for hint in read_hints(project):
        kind = kinds[hint.type_hint or "lesson"]
        if kind == "skills":
            when, steps = f"task={train.method} AND hardware={train.backend}", [shorten(hint.hint, BODY)]
            entries.append(maker.make(kind, 11, hint.hint, judged=RECURRING, when=when, steps=steps))
        else:
            entries.append(maker.make(kind, 11, hint.hint, hint.hint, RECURRING))
    return entries


def _get_notes(maker: Maker, project: Path) -> list[Entry]:
    """The notes of memory.md: no rule can judge prose, so they stay in the project until a hint promotes one."""
    judged = ("medium", "recurring", KEEP)
    return [
        maker.make("lessons", 11, note, note, judged, about="note " + note)
        for note in read_notes(project / "memory.md")
    ]


def read_notes(path: Path) -> list[str]:
    """The bullet points under "Discoveries & Notes" of memory.md; none when the file or the section is missing."""
    if not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise GaslampError(f"{path} is not UTF-8 text (byte {error.start})", f"save {path} as UTF-8") from error
    found = re.search(
        rf"^##\s*{re.escape(NOTES)}\s*$(.*?)(?=^##\s|\Z)",
        re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL),
        re.MULTILINE | re.DOTALL,
    )
    lines = found[1].splitlines() if found else []
    return [line.strip()[2:].strip() for line in lines if re.match(r"\s*[-*] \S", line)]

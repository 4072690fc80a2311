"""What a run teaches, told by rules from its facts; plus what a person noted on the way."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

from gaslamp.core.console import get_size
from gaslamp.core.contracts import Compare, Ladder, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_text
from gaslamp.environment.system import describe_hardware
from gaslamp.memory.hints import read_hints
from gaslamp.memory.store import BODY, TITLE, Entry
from gaslamp.pages.numbers import format_value

NOTES = "Discoveries & Notes"


def shorten(text: str, limit: int) -> str:
    """One line of at most ``limit`` characters, cut at a word."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(" ,;:.") + "…"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def extract(
    project: Path, name: str, domain: str, source: str, facts: tuple[dict[str, Any], TrainFacts, Compare, Ladder]
) -> list[Entry]:
    """The candidates of one run, in a fixed order; which of them leave the project is the gate's decision.

    Args:
        project: folder with ``.reflect_hints.json`` and ``memory.md``, where there are any.
        name: the project's name, part of every candidate's id.
        domain: field of the audience.
        source: the base model's ``model.source``.
        facts: system.json, train.json, compare.json, ladder.json.
    """
    system, train, compare, ladder = facts
    today = datetime.date.today().isoformat()
    model = source.removeprefix("embedded:")
    slug = re.sub(r"\W+", "_", name).strip("_") or "project"

    def make(
        kind: str, section: int, title: str, body: str = "", judged: str = "high durable promote", **more: Any
    ) -> Entry:
        priority, durability, decision = judged.split()
        # the id names what the entry is about, so that a rerun of the project replaces its own entry
        identity = f"{slug}:section_{section}:{sha256_text(kind + more.pop('about', title))[:8]}"
        return Entry.model_validate(
            {
                "kind": kind,
                "candidate_id": identity,
                "title": shorten(title, TITLE),
                "body": shorten(body, BODY),
                "date": today,
                "priority": priority,
                "durability": durability,
                "decision": decision,
                "source_candidates": [identity],
                **more,
            }
        )

    first = compare.metrics[0]
    scores = f"{format_value(first.base.value, first.unit)} to {format_value(first.tuned.value, first.unit)} ({first.title}, n = {compare.n})"
    entries = []
    if hardware := describe_hardware(system):
        entries.append(make("user", 5, "Hardware", hardware))
    entries.append(make("user", 1, "Domain", f"Works on {domain} tasks", "medium durable keep_project_only"))
    if compare.verdict == "better":
        size = max(1, -(-train.total_parameters // 1_000_000_000))
        steps = [
            f"{train.method} on {model}: {train.train_rows} rows, {train.steps} steps, {train.dtype}",
            f"takes {train.seconds_per_step:.2g} s a step and {train.peak_memory_gb:.1f} GB on {train.backend}",
            f"gave {scores}",
        ]
        when = f"task={train.method} AND hardware={train.backend} AND model_size<={size}B"
        entries.append(
            make(
                "skills",
                6,
                f"{train.method} that worked: {name}",
                when=when,
                steps=steps,
                about=f"recipe {train.method} {model}",
            )
        )
    else:
        entries.append(
            make(
                "lessons",
                8,
                f"{train.method} of {model}: {compare.verdict}",
                f"{scores}; {train.train_rows} rows, {train.steps} steps",
                "high recurring promote",
                about=f"result {train.method} {model}",
            )
        )
    chosen = next((level for level in ladder.levels if level.level == ladder.recommended), None)
    if chosen:
        body = f"{format_value(chosen.score.value, ladder.unit)}, {get_size(chosen.size_bytes)}, {_percent(chosen.same_as_f16)} same answers as f16; {ladder.reason}"
        entries.append(
            make(
                "lessons",
                10,
                f"{model}: {chosen.level} is the level to ship",
                body,
                "high recurring promote",
                about=f"level {model}",
            )
        )
    if {"base", "tuned"} <= set(compare.retention):
        base, tuned = compare.retention["base"], compare.retention["tuned"]
        body = f"general questions {_percent(base.value)} to {_percent(tuned.value)} (n = {tuned.n}) after {train.steps} steps"
        clear = tuned.high < base.low  # intervals that do not touch
        entries.append(
            make(
                "lessons",
                8,
                f"{train.method} of {model}: what it forgot",
                body,
                f"{'high' if clear else 'medium'} recurring {'promote' if clear else 'keep_project_only'}",
                about=f"retention {model}",
            )
        )
    if train.attempts > 1:
        entries.append(
            make(
                "lessons",
                7,
                "Training was interrupted",
                f"{train.attempts} attempts, resumed at {train.resumed_from}",
                "medium transient keep_project_only",
            )
        )
    kinds = {"lesson": "lessons", "skill": "skills", "user": "user"}
    for hint in read_hints(project):
        more: dict[str, Any] = {"about": hint.hint}
        if hint.type_hint == "skill":
            more |= {"when": f"task={train.method} AND hardware={train.backend}", "steps": [shorten(hint.hint, BODY)]}
        body = "" if hint.type_hint == "skill" else hint.hint
        entries.append(make(kinds[hint.type_hint or "lesson"], 11, hint.hint, body, "high recurring promote", **more))
    # a rule cannot judge prose: notes are listed, and a hint is how a person promotes one
    for note in read_notes(project / "memory.md"):
        entries.append(make("lessons", 11, note, note, "medium recurring keep_project_only", about="note " + note))
    return entries


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

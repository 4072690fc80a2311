"""Candidates for the long-term memory: what a run teaches, derived from its facts, and what a person noted."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

from gaslamp.core.console import get_size
from gaslamp.core.contracts import Compare, Ladder, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.environment.system import describe_hardware
from gaslamp.memory.cleaning import clean
from gaslamp.memory.conditions import quote_word
from gaslamp.memory.entry import BODY, TITLE, Entry
from gaslamp.memory.forgetting import LOST, describe_retention, get_forgotten
from gaslamp.memory.hints import read_hints
from gaslamp.memory.history import RunRecord, get_helpful_changes
from gaslamp.memory.maker import KEEP, RECURRING, Maker, shorten
from gaslamp.memory.problems import get_problems
from gaslamp.memory.run_facts import RunFacts
from gaslamp.pages.numbers import format_value

NOTES = "Discoveries & Notes"
"""Heading of memory.md under which a person writes notes."""
FAR_OFF = 2.0
"""Times the measured memory from which an estimate, which is an upper bound, is remembered."""


def extract(project: Path, name: str, domain: str, facts: RunFacts, runs: Sequence[RunRecord] = ()) -> list[Entry]:
    """The candidates of one run, in a fixed order. The gate decides which of them leave the project.

    Args:
        project: folder with ``.reflect_hints.json`` and ``memory.md``, if they exist.
        name: the project's name, part of every candidate's id.
        domain: field of the audience.
        facts: what the run recorded until now; what a step would have recorded that did not end is left out.
        runs: the runs of the project, to compare with.
    """
    slug = re.sub(r"\W+", "_", clean(name)).strip("_") or "project"
    maker = Maker(slug, datetime.date.today().isoformat(), facts.run)
    entries = []
    if hardware := describe_hardware(facts.system):
        entries.append(maker.make("user", 5, "Hardware", hardware))
    entries.append(maker.make("user", 1, "Domain", f"Works on {domain} tasks", ("medium", "durable", KEEP)))
    if facts.train and facts.compare:
        entries.append(_get_result(maker, facts.train, facts.compare, name, facts.model_name))
        entries += _get_retention(maker, facts.train, facts.compare, facts.model_name)
    if facts.ladder and not (facts.compare and facts.compare.verdict != "better"):  # else eval.gate: warn let it pass
        entries += _get_level(maker, facts.ladder, facts.model_name)
    entries += _get_estimate(maker, facts)
    entries += get_problems(maker, facts)
    entries += get_helpful_changes(maker, facts, list(runs))
    if facts.train and facts.train.attempts > 1:
        body = f"{facts.train.attempts} attempts, resumed at {facts.train.resumed_from}"
        entries.append(maker.make("lessons", 7, "Training was interrupted", body, ("medium", "transient", KEEP)))
    return [*entries, *_get_hints(maker, facts, project), *_get_notes(maker, project)]


def _get_scores(compare: Compare) -> str:
    """Base and tuned by the first metric, in words."""
    first = compare.metrics[0]
    before, after = (format_value(score.value, first.unit) for score in (first.base, first.tuned))
    return f"{before} to {after} ({first.title}, n = {compare.n})"


def _get_result(maker: Maker, train: TrainFacts, compare: Compare, name: str, model: str) -> Entry:
    """A skill when training helped and nothing was forgotten, else a lesson.

    It changes no setting: nothing says that they beat the defaults.
    """
    forgot = get_forgotten(compare)
    if compare.verdict == "better" and forgot:
        return maker.make(
            "lessons",
            8,
            f"{model}: task learnt, {LOST}",
            f"general questions {forgot}; {_get_scores(compare)}; {_show_settings(train)}",
            RECURRING,
            about=f"result {train.method} {model}",
            when=_get_when(train.method, model),
        )
    if compare.verdict != "better":
        return maker.make(
            "lessons",
            8,
            f"{train.method} of {model}: {compare.verdict}",
            f"{_get_scores(compare)}; {train.train_rows} rows, {train.steps} steps",
            RECURRING,
            about=f"result {train.method} {model}",
            when=_get_when(train.method, model),
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
            f"gave {_get_scores(compare)}, {describe_retention(compare)}",
            f"with {_show_settings(train)}",
        ],
    )


def _get_when(method: str, model: str) -> str:
    """Where a result is worth knowing: the same method on the same model."""
    return f"task={quote_word(method)} AND model={quote_word(model)}"


def _show_settings(train: TrainFacts) -> str:
    """The settings that decide a result, as the training had them."""
    used = train.settings
    parts = [f"learning_rate {used['learning_rate']:g}"] if isinstance(used.get("learning_rate"), float) else []
    parts += [f"{train.epochs:g} epochs"]
    if used.get("batch_size"):
        parts.append(f"batch {used['batch_size']} x {used.get('gradient_accumulation') or 1}")
    if used.get("adapter", "lora") == "lora" and isinstance(used.get("lora"), dict):
        parts.append(f"rank {used['lora'].get('r')}")
    return ", ".join(parts)


def _get_level(maker: Maker, ladder: Ladder, model: str) -> list[Entry]:
    chosen = next((level for level in ladder.levels if level.level == ladder.recommended), None)
    if chosen is None:
        return []
    score, size = format_value(chosen.score.value, ladder.unit), get_size(chosen.size_bytes)
    body = f"{score}, {size}, {format_value(chosen.same_as_f16)} same answers as f16; {ladder.reason}"
    title = f"{model}: {chosen.level} is the level to ship"
    return [maker.make("lessons", 10, title, body, RECURRING, f"level {model}", f"model={quote_word(model)}")]


def _get_retention(maker: Maker, train: TrainFacts, compare: Compare, model: str) -> list[Entry]:
    """What the model forgot; it leaves the project only when the intervals of base and tuned do not overlap."""
    if not {"base", "tuned"} <= set(compare.retention):
        return []
    is_lost = bool(get_forgotten(compare))
    if is_lost and compare.verdict == "better":
        return []  # the result says so
    base, tuned = compare.retention["base"], compare.retention["tuned"]
    change = f"{format_value(base.value)} to {format_value(tuned.value)} (n = {tuned.n})"
    return [
        maker.make(
            "lessons",
            8,
            f"{train.method} of {model}: what it forgot",
            f"general questions {change} after {train.steps} steps",
            RECURRING if is_lost else ("medium", "recurring", KEEP),
            about=f"retention {model}",
            when=_get_when(train.method, model),
        )
    ]


def _get_estimate(maker: Maker, facts: RunFacts) -> list[Entry]:
    """Estimated against measured memory; it leaves the project where the estimate was too low, or far too high."""
    if not (facts.preflight and facts.train):
        return []
    need, used = facts.preflight.memory_needed_gb, facts.train.peak_memory_gb
    if not need or not used:
        return []
    off = need / used
    return [
        maker.make(
            "lessons",
            5,
            f"{facts.model_name} on {facts.backend}: memory estimate",
            f"{need:.1f} GB estimated, {used:.1f} GB measured ({off:.1f} times)",
            RECURRING if not 1 <= off <= FAR_OFF else ("medium", "recurring", KEEP),
            about=f"estimate {facts.method} {facts.backend} {facts.model_name}",
            when=f"{facts.get_place()} AND model={quote_word(facts.model_name)}",
            measured={
                "estimated_gb": need,
                "peak_memory_gb": used,
                "seconds_per_step": facts.train.seconds_per_step,
                "tokens_per_second": facts.train.tokens_per_second,
            },
        )
    ]


def _get_hints(maker: Maker, facts: RunFacts, project: Path) -> list[Entry]:
    kinds = {"lesson": "lessons", "skill": "skills", "user": "user"}
    entries = []
    for hint in read_hints(project):
        kind = kinds[hint.type_hint or ("skill" if hint.settings else "lesson")]
        if kind == "skills":
            entries.append(
                maker.make(
                    kind,
                    11,
                    hint.hint,
                    judged=RECURRING,
                    when=hint.when or facts.get_place(),
                    steps=[shorten(clean(hint.hint), BODY)],
                    settings=hint.settings,
                )
            )
        else:
            body = hint.hint if len(hint.hint) > TITLE else ""  # the title has a short one
            entries.append(maker.make(kind, 11, hint.hint, body, RECURRING))
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

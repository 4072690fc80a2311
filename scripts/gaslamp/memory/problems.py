"""Candidates from what went wrong and how it was settled: memory that ran out, refused templates, damaged downloads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gaslamp.config.methods import get_preset
from gaslamp.core.attempts import Attempt
from gaslamp.memory.entry import Entry
from gaslamp.memory.maker import DURABLE, KEEP, RECURRING, Maker
from gaslamp.memory.recipes import KEYS, Value
from gaslamp.memory.run_facts import RunFacts

COSTLY = ("batch_size", "max_length", "packing")
"""Settings that take more memory when a person raises them: what runs out then is no default."""
_DAMAGED = re.compile(
    r"damaged|corrupt|incomplete|truncated|checksum|sha256|consistency check|hash (?:differs|mismatch)|"
    r"not a (?:zip|gguf)",
    re.IGNORECASE,
)
_DOWNLOADS = ("fetch_model", "build_llamacpp", "prepare_data", "convert_base", "check_export")


def get_problems(maker: Maker, facts: RunFacts) -> list[Entry]:
    """One entry for each kind of problem; a problem that came several times is one entry."""
    entries = [*_get_adaptation(maker, facts)]
    taught: set[str] = {"train"} if entries else set()
    for attempt in facts.attempts:
        if attempt.status != "failed":
            continue
        step = attempt.step
        if attempt.settings and step not in taught:
            taught.add(step)
            entries.append(_get_refusal(maker, facts, attempt))
        elif step.startswith(_DOWNLOADS) and _DAMAGED.search(attempt.error):
            entries.append(_get_download(maker, attempt))
        elif not attempt.settings:
            entries.append(_get_failure(maker, attempt, facts.attempts))
    return list({entry.candidate_id: entry for entry in entries}.values())


def _get_adaptation(maker: Maker, facts: RunFacts) -> list[Entry]:
    """What training settled on after memory ran out."""
    adapted = [event for event in facts.events if event["event"] == "adapt"]
    changes = {f"train.{key}": value for event in adapted for key, value in event["changes"].items()}
    if not changes:
        return []
    measured: dict[str, float | str] = {}
    if facts.train:
        measured = {"peak_memory_gb": facts.train.peak_memory_gb, "seconds_per_step": facts.train.seconds_per_step}
    words = ", ".join(f"{key.removeprefix('train.')} {value}" for key, value in changes.items())
    return [_make_memory_recipe(maker, facts, changes, f"memory ran out; {words} was enough", measured)]


def _make_memory_recipe(
    maker: Maker,
    facts: RunFacts,
    changes: Mapping[str, Value],
    body: str,
    measured: dict[str, float | str],
) -> Entry:
    """A recipe; a lesson without settings when a person had wanted for more than the defaults take."""
    raised = _get_raised(facts)
    title = f"{facts.model_name}: {facts.method} ran out of memory on {facts.backend}"
    about = f"memory {facts.method} {facts.backend} {facts.model_name}"
    if raised:
        wanted = ", ".join(f"{key} {value}" for key, value in raised.items())
        return maker.make("lessons", 7, title, f"{body} (you had set {wanted})", RECURRING, about, measured=measured)
    return maker.make(
        "skills", 7, title, body, RECURRING, about, facts.get_memory_condition(), settings=changes, measured=measured
    )


def _get_raised(facts: RunFacts) -> dict[str, object]:
    """What a person set above the preset of the method."""
    wanted = facts.requested
    preset = get_preset(facts.method, str(wanted.get("adapter") or "lora"), facts.parameters or 0)
    return {
        key: value
        for key in COSTLY
        if isinstance(value := wanted.get(key), int) and value > (preset.get(key) or 0)  # yes is more than no
    }


def _get_refusal(maker: Maker, facts: RunFacts, attempt: Attempt) -> Entry:
    """A step that failed, and whose error named the settings that avoid it."""
    settings = {key: value for key, value in attempt.settings.items() if key in KEYS}
    if all(key.startswith("train.") for key in settings):
        return _make_memory_recipe(maker, facts, settings, attempt.error, {})
    refused = attempt.error.rpartition("refuses it: ")[2].partition("\n")[0]
    return maker.make(
        "skills",
        4,
        f"{facts.model_name}: its chat template refuses these rows",
        f"rows were refused: {refused}",
        DURABLE,
        about=f"template {facts.model_name} {sorted(settings)}",
        when=facts.get_template_condition(),
        settings=settings,
    )


def _get_download(maker: Maker, attempt: Attempt) -> Entry:
    body = f"{attempt.error}; downloading it again is the fix, a full disk the usual cause"
    return maker.make("lessons", 5, f"{attempt.step}: a damaged download", body, RECURRING)


def _get_failure(maker: Maker, attempt: Attempt, attempts: list[Attempt]) -> Entry:
    """Any other failure stays in the project: its message says what it was, and nothing says that it comes again."""
    solved = any(other.step == attempt.step and other.status == "ok" for other in attempts)
    body = f"{attempt.error.splitlines()[0] if attempt.error else 'no reason recorded'}"
    end = "solved later" if solved else "not solved"
    return maker.make("lessons", 11, f"{attempt.step} failed ({end})", body, ("medium", "transient", KEEP))

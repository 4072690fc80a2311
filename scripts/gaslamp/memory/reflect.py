"""Phase 8: candidates, gate, long-term memory, and two files that list the outcome of each candidate."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json, write_text
from gaslamp.environment.speed import read_measured
from gaslamp.memory.candidates import extract
from gaslamp.memory.entry import LIMITS, Entry, Outcome
from gaslamp.memory.history import add_run, make_record, read_runs
from gaslamp.memory.notes import get_blocks, update_memory
from gaslamp.memory.run_facts import RunFacts
from gaslamp.memory.snapshot import get_home
from gaslamp.memory.store import note_speed, remember
from gaslamp.models.catalogue import find_model
from gaslamp.pages.markdown import escape_cell

_ENTRIES = TypeAdapter(list[Entry])


def read_payload(path: Path) -> list[Entry]:
    """The entries of a payload file, possibly edited by hand.

    Raises:
        GaslampError: the file is malformed; the message names the place.
    """
    value = read_json(path)
    try:
        return _ENTRIES.validate_python([entry for kind in LIMITS for entry in value.get(kind, [])])
    except (ValidationError, AttributeError, TypeError) as error:
        raise GaslampError(
            f"{path} is not a payload: {error}", "start from outputs/<run>/reflection/payload.json"
        ) from error


def get_candidates(facts: RunFacts, settings: Slice) -> list[Entry]:
    """The candidates of a run in the working directory; what it scored is added to logs/runs.jsonl.

    Args:
        facts: of the run.
        settings: slice with project.
    """
    if record := make_record(facts):
        add_run(record)
    return extract(Path("."), settings.project.name, settings.project.domain, facts, read_runs())


def keep_speed(facts: RunFacts, settings: Slice) -> None:
    """Keep in the memory how fast this training ran, where one ended and ``reflect.write`` allows it."""
    if not (settings.reflect.write and facts.train and facts.system):
        return
    known = find_model(facts.source)
    if measured := read_measured(facts.train.model_dump(mode="json"), known.shape if known else None):
        note_speed(get_home(), facts.system, measured)


def _render_decisions(outcomes: list[Outcome], written: bool, home: str) -> str:
    counts = {
        name: sum(item.outcome == name for item in outcomes)
        for name in ("promoted", "gate_blocked", "dup_skipped", "evicted_to_archive")
    }
    lines = ["# What was remembered", ""]
    lines.append(
        f"Written to `{home}`."
        if written
        else "Nothing was written (reflect.write is false, or a dry run): these are the outcomes that would follow."
    )
    lines += [
        "",
        ", ".join(f"{count} {name}" for name, count in counts.items()) + ".",
        "",
        "| Entry | Kind | Outcome | Reason | Id |",
        "|---|---|---|---|---|",
    ]
    lines += [
        "| "
        + " | ".join(
            escape_cell(cell) for cell in (item.title, item.kind, item.outcome, item.reason, item.candidate_id)
        )
        + " |"
        for item in outcomes
    ]
    lines += ["", 'To keep something else: `make hint HINT="..."`, then `make reflect`.']
    return "\n".join(lines) + "\n"


def reflect(
    entries: list[Entry], settings: Slice, payload: Path, decisions: Path, dry_run: bool = False
) -> list[Outcome]:
    """Put the entries through the gate, write what passes to the memory, and write payload and decisions.

    Args:
        entries: candidates of the run.
        settings: slice with reflect; ``reflect.write: false`` leaves the memory unchanged.
        payload: JSON file to write, with all entries and their outcomes.
        decisions: Markdown file to write, with the outcome of each entry.
        dry_run: leave the memory unchanged whatever the settings say.

    Raises:
        GaslampError: the memory folder cannot be written.
    """
    home = get_home()
    shown = "$GASLAMP_HOME" if os.environ.get("GASLAMP_HOME") else "~/.gaslamp"
    write = settings.reflect.write and not dry_run
    outcomes = remember(entries, home, dry_run=not write)
    known = [item for item in outcomes if item.outcome in ("promoted", "dup_skipped")]
    today = datetime.date.today().isoformat()
    value: dict[str, Any] = {
        "schema_version": 1,
        "date": today,
        "reflected": {"home": shown, "date": today} if write and known else None,
    }
    value |= {kind: [entry.model_dump() for entry in entries if entry.kind == kind] for kind in LIMITS}
    value["outcomes"] = [item.model_dump() for item in outcomes]
    write_json(payload, value)
    write_text(decisions, _render_decisions(outcomes, write, shown))
    promoted = sum(item.outcome == "promoted" for item in outcomes)
    if write:
        say(f"{promoted} new thing{'' if promoted == 1 else 's'} remembered in {shown} (make memory lists them)")
    else:
        why = "this is a dry run" if dry_run else "reflect.write is false"
        say(f"nothing remembered: {why}; it would be {promoted} of {len(outcomes)}, {decisions} has each")
    return outcomes


def fill_memory(facts: RunFacts, settings: Slice) -> None:
    """Update the marked part of memory.md, when the project has that file and the training has ended.

    Args:
        facts: of the run.
        settings: slice with train; used where train.json does not record the settings that trained.
    """
    if facts.model and facts.card and facts.train:
        used = {**settings.train.dump(), **facts.train.settings}
        update_memory(Path("memory.md"), get_blocks(facts.model, facts.card, facts.train, used))

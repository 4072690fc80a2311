"""Phase 8: candidates, gate, long-term memory, and two files that list the outcome of each candidate."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import Card, Compare, Ladder, ModelFacts, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json, write_text
from gaslamp.memory.candidates import Facts, extract
from gaslamp.memory.entry import LIMITS, Entry, Outcome
from gaslamp.memory.notes import get_blocks, update_memory
from gaslamp.memory.snapshot import get_home
from gaslamp.memory.store import remember
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


def get_candidates(facts: dict[str, Path], settings: Slice) -> list[Entry]:
    """The candidates of the run in the working directory.

    Args:
        facts: paths of system, train, compare and ladder.
        settings: slice with project and model.
    """
    loaded = Facts(
        read_json(facts["system"]),
        TrainFacts.read(facts["train"]),
        Compare.read(facts["compare"]),
        Ladder.read(facts["ladder"]),
    )
    return extract(Path("."), settings.project.name, settings.project.domain, settings.model.source, loaded)


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
    lines += [
        "",
        'To keep something else: `python scripts/add_reflect_hint.py . --phase 3 --hint "..."`, then run the same '
        "command again.",
    ]
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
    say(f"{promoted} new things remembered in {shown}" if write else "nothing remembered: reflect.write is false")
    return outcomes


def fill_memory(facts: dict[str, Path], settings: Slice) -> None:
    """Update the marked part of memory.md, when the project has that file.

    Args:
        facts: paths of model, card and train.
        settings: slice with train; used where train.json does not record the settings that trained.
    """
    train = TrainFacts.read(facts["train"])
    blocks = get_blocks(
        ModelFacts.read(facts["model"]), Card.read(facts["card"]), train, {**settings.train.dump(), **train.settings}
    )
    update_memory(Path("memory.md"), blocks)

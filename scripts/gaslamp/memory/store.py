"""The long-term memory on disk: ``user``, ``lessons`` and ``skills`` in ``$GASLAMP_HOME``, each as JSON with its
Markdown, and their archive.

Every change holds the lock of the folder and replaces files atomically: two projects that write at once lose nothing.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from gaslamp import __version__
from gaslamp.core.console import say
from gaslamp.core.contracts import now
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import lock, read_json, write_json
from gaslamp.environment.speed import Measured
from gaslamp.memory.entry import JUDGEMENT, LIMITS, Entry, Kind, Outcome, check_gate
from gaslamp.memory.recipe_values import check_values
from gaslamp.memory.recipes import find_id
from gaslamp.memory.shelf import Shelf, read_shelf
from gaslamp.memory.speeds import add_speed

FORGOTTEN = "forgotten.json"
"""Ids of entries that a person deleted -> the date."""
_ENTRIES = TypeAdapter(list[Entry])


@contextmanager
def writing(home: Path) -> Iterator[None]:
    """Hold the lock of a memory folder.

    Raises:
        GaslampError: the folder cannot be written.
    """
    try:
        with lock(home / ".lock", "another project is writing its memory, waiting"):
            yield
    except OSError as error:
        raise GaslampError(
            f"cannot write {home}: {error.strerror}", "make it writable, or set reflect: {write: false}"
        ) from error


def remember(entries: list[Entry], home: Path, dry_run: bool = False) -> list[Outcome]:
    """Put ``entries`` through the gate, deduplication and character limits, and write what passes.

    A user entry replaces the one of the same title; so does an entry that the same project made earlier. When a file
    gets too long, its oldest entries move to ``archive/<kind>_<year>_Q<quarter>``.

    Args:
        entries: candidates, in the order in which they are taken.
        home: folder of the memory.
        dry_run: write nothing.

    Returns:
        The outcome of each entry, and of each entry that moved to the archive.
    """
    if dry_run:
        return _remember(entries, home, write=False)
    if not any(check_gate(entry)[0] for entry in entries):  # nothing to write: no folder is made
        return _remember(entries, home, write=False)
    with writing(home):
        return _remember(entries, home, write=True)


def _remember(entries: list[Entry], home: Path, write: bool) -> list[Outcome]:
    outcomes: list[Outcome] = []
    forgotten = read_forgotten(home)
    for kind in LIMITS:
        mine = [entry for entry in entries if entry.kind == kind]
        shelf = read_shelf(home, kind)
        if shelf.taken_over and write:
            say(f"taken over from {kind}.md, as you edited it: {'; '.join(shelf.taken_over)}")
        before = [item.get_hash() for item in shelf.entries]
        for entry in mine:
            outcome, reason = _take(shelf, entry, forgotten)
            values = {"candidate_id": entry.candidate_id, "kind": kind, "title": entry.title}
            outcomes.append(Outcome.model_validate({**values, "outcome": outcome, "reason": reason}))
        if [item.get_hash() for item in shelf.entries] != before or shelf.taken_over:
            outcomes += _save(shelf, home, write)
    return outcomes


def _take(
    shelf: Shelf, entry: Entry, forgotten: dict[str, str]
) -> tuple[Literal["promoted", "gate_blocked", "dup_skipped"], str]:
    """Put one entry on the shelf, or say why not."""
    passes, reason = check_gate(entry)
    if not passes:
        return "gate_blocked", reason
    if entry.candidate_id in forgotten:
        return "gate_blocked", f"you had it forgotten on {forgotten[entry.candidate_id]} ({FORGOTTEN})"
    if any(item.get_hash() == entry.get_hash() for item in shelf.entries):
        return "dup_skipped", "the memory already has this title and text"
    old = next((at for at, item in enumerate(shelf.entries) if _replaces(entry, item)), None)
    if old is None:
        shelf.entries.append(entry)
        return "promoted", reason
    shelf.entries[old] = entry
    return "promoted", f"{reason}, replaces its older version"


def _replaces(new: Entry, old: Entry) -> bool:
    return new.candidate_id == old.candidate_id or (new.kind == "user" and new.title.lower() == old.title.lower())


def _save(shelf: Shelf, home: Path, write: bool) -> list[Outcome]:
    """Move what is too much to the archive, and write the shelf; returns the outcomes of what was moved."""
    evicted = []
    limit = LIMITS[shelf.kind]
    while len(shelf.render(shelf.kind)) > limit and shelf.entries:
        oldest = min(range(len(shelf.entries)), key=lambda at: shelf.entries[at].date)
        evicted.append(shelf.entries.pop(oldest))
    if write:
        # the archive first: a crash in between leaves an entry twice, never nowhere
        for entry in evicted:
            _archive(entry, home)
        shelf.write(home, shelf.kind)
    reason = f"{shelf.kind}.md is full ({limit} characters), this was the oldest"
    return [
        Outcome(
            candidate_id=entry.candidate_id,
            kind=shelf.kind,
            title=entry.title,
            outcome="evicted_to_archive",
            reason=reason,
        )
        for entry in evicted
    ]


def _archive(entry: Entry, home: Path) -> None:
    known = re.fullmatch(r"\d{4}-\d\d-\d\d", entry.date)
    day = datetime.date.fromisoformat(entry.date) if known else datetime.date.today()
    name = f"{entry.kind}_{day.year}_Q{(day.month + 2) // 3}"
    shelf = read_shelf(home / "archive", entry.kind, name)
    if all(item.get_hash() != entry.get_hash() for item in shelf.entries):
        shelf.entries.append(entry)
        shelf.write(home / "archive", name)


def read_forgotten(home: Path) -> dict[str, str]:
    """The ids that a person deleted, with the dates."""
    if not (home / FORGOTTEN).is_file():
        return {}
    ids: dict[str, str] = read_json(home / FORGOTTEN)
    return ids


def note_speed(home: Path, machine: Mapping[str, object], one: Measured) -> None:
    """Keep how fast a training ran, for the estimates of later projects on the same machine."""
    with writing(home):
        add_speed(home, machine, one)


def list_entries(home: Path) -> dict[Kind, list[Entry]]:
    """What is remembered, by kind; oldest first."""
    return {kind: read_shelf(home, kind).entries for kind in LIMITS}


def forget(home: Path, names: Sequence[str]) -> list[Entry]:
    """Delete entries, in the memory alone: the archive and the snapshots of projects keep what they have.

    They do not come back when their projects run again; ``forgotten.json`` lists them.

    Args:
        home: folder of the memory.
        names: of each its id, the last part of it, or as much of that as is clear.

    Raises:
        GaslampError: a name means no entry, or several; nothing is deleted then.
    """
    with writing(home):
        shelves = [read_shelf(home, kind) for kind in LIMITS]
        known = {entry.candidate_id: (shelf, entry) for shelf in shelves for entry in shelf.entries}
        problems, wanted = list[GaslampError](), dict[str, tuple[Shelf, Entry]]()
        for name in names:
            try:
                found = find_id(name, known)
                wanted[found] = known[found]
            except GaslampError as error:
                problems.append(error)
        if problems:
            fixes = "; ".join(dict.fromkeys(error.fix for error in problems))
            raise GaslampError("; ".join(error.cause for error in problems), fixes)
        today = datetime.date.today().isoformat()
        write_json(home / FORGOTTEN, {**read_forgotten(home), **dict.fromkeys(wanted, today)})
        for shelf, entry in wanted.values():
            shelf.entries.remove(entry)
        for shelf in {id(shelf): shelf for shelf, _ in wanted.values()}.values():
            shelf.write(home, shelf.kind)
    return [entry for _, entry in wanted.values()]


def export_memory(home: Path, file: Path) -> int:
    """Write lessons and recipes, the archived ones too, to one file for a team; facts about you stay here.

    Returns:
        How many entries.
    """
    with writing(home):
        entries = [entry for kind in LIMITS if kind != "user" for entry in read_shelf(home, kind).entries]
        for page in sorted((home / "archive").glob("*.json")):
            kind = page.stem.partition("_")[0]
            if kind in ("lessons", "skills"):
                entries += read_shelf(home / "archive", "lessons" if kind == "lessons" else "skills", page.stem).entries
    unique = {entry.get_hash(): entry for entry in entries}
    rows = [entry.model_dump(exclude=JUDGEMENT, exclude_defaults=True) for entry in unique.values()]
    write_json(file, {"schema_version": 1, "gaslamp_memory": __version__, "exported": now(), "entries": rows})
    return len(rows)


@dataclass
class Merged:
    """What an import did: how many entries are new, were here already, or went to the archive."""

    new: int = 0
    known: int = 0
    archived: int = 0


def import_memory(home: Path, file: Path) -> Merged:
    """Merge an exported file into the memory. Nothing is lost: of two entries with one id and different texts the
    newer stays, the older goes to the archive, as does what exceeds the limits.

    Raises:
        GaslampError: the file is no export, or an entry in it is malformed or has a setting that a recipe may not have.
    """
    try:
        value = read_json(file)
        entries = _ENTRIES.validate_python(value["entries"])
        for entry in entries:
            check_values(entry.settings)
    except (GaslampError, ValidationError, KeyError, TypeError, OSError, UnicodeError, RecursionError) as error:
        reason = error.cause if isinstance(error, GaslampError) else f"{type(error).__name__} {error}"
        raise GaslampError(
            f"{file} is no exported memory: {reason}", "make one with: make memory EXPORT=file.json", None
        ) from error
    done = Merged()
    with writing(home):
        for kind in LIMITS:
            shelf = read_shelf(home, kind)
            hashes = {entry.get_hash() for entry in shelf.entries}
            for entry in sorted((each for each in entries if each.kind == kind), key=lambda each: each.date):
                if kind == "user" or entry.get_hash() in hashes or _is_archived(home, entry):
                    done.known += 1
                    continue
                hashes.add(entry.get_hash())
                done.new += 1
                _merge(shelf, entry, home)
            if kind != "user":
                done.archived += len(_save(shelf, home, write=True))
    return done


def _merge(shelf: Shelf, entry: Entry, home: Path) -> None:
    at = next((at for at, item in enumerate(shelf.entries) if item.candidate_id == entry.candidate_id), None)
    if at is None:
        shelf.entries.append(entry)
        return
    older, newer = sorted((shelf.entries[at], entry), key=lambda each: each.date)
    shelf.entries[at] = newer
    _archive(older, home)


def _is_archived(home: Path, entry: Entry) -> bool:
    pages = sorted((home / "archive").glob(f"{entry.kind}_*.json"))
    return any(
        item.get_hash() == entry.get_hash()
        for page in pages
        for item in read_shelf(home / "archive", entry.kind, page.stem).entries
    )

"""One file of the memory: ``lessons.json`` holds the entries, ``lessons.md`` shows them.

The JSON is the truth, the Markdown is rendered from it and ends with its own hash. Markdown whose hash does not fit
was edited by a person: entries that were added or changed there are taken over, so that nothing is lost that somebody
wrote.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_text, write_json, write_text
from gaslamp.memory.entry import BODY, JUDGEMENT, TITLE, Entry, Kind
from gaslamp.memory.recipe_values import read_settings

_ENTRIES = TypeAdapter(list[Entry])
_META = re.compile(r"\n?<!-- date: (\S+) source: (\S+) -->")
_RENDERED = re.compile(r"<!-- rendered from (\S+): (\w{12}) -->\n?")


@dataclass
class Shelf:
    """The entries of one file, oldest first, and the text before the first one in its Markdown."""

    kind: Kind
    preface: str = ""
    entries: list[Entry] = field(default_factory=list)
    taken_over: list[str] = field(default_factory=list)  # titles that a person wrote or changed in the Markdown

    def render(self, name: str) -> str:
        """The Markdown of ``name`` (``lessons``), with its hash at the end."""
        parts = [f"# {self.kind.capitalize()}\n", *([f"{self.preface}\n"] if self.preface else [])]
        text = "\n".join([*parts, *(entry.render() for entry in self.entries)])
        return f"{text}\n<!-- rendered from {name}.json: {sha256_text(text)[:12]} -->\n"

    def write(self, folder: Path, name: str) -> None:
        """Write both files; the JSON first: Markdown that a crash left behind is known by its hash, and rendered."""
        entries = [entry.model_dump(exclude=JUDGEMENT, exclude_defaults=True) for entry in self.entries]
        value = {"schema_version": 1, "kind": self.kind, "preface": self.preface, "entries": entries}
        write_json(folder / f"{name}.json", value)
        write_text(folder / f"{name}.md", self.render(name))


def read_shelf(folder: Path, kind: Kind, name: str | None = None) -> Shelf:
    """The entries of ``folder``/``name``.json, with what a person wrote into the Markdown.

    A folder that has the Markdown alone (from version 0.1, or written by hand) is read too.

    Args:
        folder: of the memory, or its archive.
        kind: of the entries.
        name: without ending; ``None``: the kind.

    Raises:
        GaslampError: the JSON is malformed; it stays untouched.
    """
    name = name or kind
    shelf = Shelf(kind)
    path = folder / f"{name}.json"
    if path.is_file():
        try:
            value = read_json(path)
            shelf.entries = _ENTRIES.validate_python(value["entries"])
            shelf.preface = str(value.get("preface") or "")
        except (GaslampError, ValidationError, KeyError, TypeError, AttributeError) as error:
            raise GaslampError(
                f"{path} is no memory file: {error.cause if isinstance(error, GaslampError) else error}",
                f"repair it, or move it away: mv {path} {path}.broken",
                "a newer version of gaslamp wrote it: make upgrade",
            ) from error
    page = folder / f"{name}.md"
    if page.is_file():
        _take_over(shelf, page.read_text(encoding="utf-8", errors="replace"))
    return shelf


def _take_over(shelf: Shelf, text: str) -> None:
    """Put what a person wrote into the Markdown into ``shelf``; nothing when the text is as it was rendered."""
    mark = _RENDERED.search(text)
    body = text[: mark.start()] + text[mark.end() :] if mark else text
    if mark and sha256_text(body.removesuffix("\n"))[:12] == mark[2]:
        return
    head, *sections = re.split(r"^## ", body, flags=re.MULTILINE)
    shelf.preface = re.sub(r"\A# .*\n?", "", head).strip()
    known = {entry.get_hash() for entry in shelf.entries}
    for section in sections:
        title, _, content = section.partition("\n")
        meta = _META.search(content)
        source = meta[2] if meta else ""
        place = next((at for at, entry in enumerate(shelf.entries) if entry.candidate_id == source), None)
        content = _META.sub("", content).strip()
        if place is not None and _is_same(shelf.entries[place], title, content):
            continue
        own = _make_entry(shelf, title.strip(), content, meta[1] if meta else "", source, place)
        if own.get_hash() in known:
            continue
        shelf.taken_over.append(own.title)
        if place is None:
            shelf.entries.append(own)
        else:
            shelf.entries[place] = own


def _is_same(entry: Entry, title: str, text: str) -> bool:
    return entry.title == title.strip() and " ".join(entry.get_text().split()) == " ".join(text.split())


def _make_entry(shelf: Shelf, title: str, text: str, date: str, source: str, place: int | None) -> Entry:
    """An entry from a section that a person wrote; settings and condition of an entry that they edited stay."""
    old = shelf.entries[place] if place is not None else None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    prose = [line for line in lines if not re.match(r"(when|settings|measured): ", line)]
    steps = [re.sub(r"^\d+\. ", "", line) for line in prose if re.match(r"\d+\. ", line)]
    rest = [line for line in prose if not re.match(r"\d+\. ", line)]
    body = rest.pop(0) if rest and len(rest[0]) <= BODY else ""
    wanted = {
        key: next((line.removeprefix(f"{key}: ") for line in lines if line.startswith(f"{key}: ")), "")
        for key in ("when", "settings")
    }
    values = {
        "kind": shelf.kind,
        "candidate_id": source or f"hand:section_0:{sha256_text(title + text)[:8]}",
        "title": (title or "untitled")[:TITLE],
        "body": body,
        "steps": [*rest, *steps],
        "measured": old.measured if old else {},
        "source": old.source if old else {},
        "date": date if re.fullmatch(r"\d{4}-\d\d-\d\d", date) else datetime.date.today().isoformat(),
    }
    try:
        settings = read_settings(wanted["settings"])
        return Entry.model_validate({**values, "when": wanted["when"] or None, "settings": settings})
    except (GaslampError, ValidationError) as error:  # kept as text, so that it is neither lost nor applied
        say(f"{shelf.kind}.md, {title}: {error.cause if isinstance(error, GaslampError) else error}; kept as a note")
        return Entry.model_validate({**values, "steps": [*rest, *steps, *filter(None, wanted.values())]})

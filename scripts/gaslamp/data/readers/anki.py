"""Decks of Anki: notes as text (``#separator:tab``) and .apkg files, a row for each note and each cloze."""

from __future__ import annotations

import csv
import html
import json
import re
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.opening import open_text

_SETTING = re.compile(r"#(separator|html|columns|notetype|deck|tags|(?:guid|notetype|deck|tags) column):(.*)", re.I)
_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|", "colon": ":"}
_BLOCK = "(?:div|p|li|tr|ul|ol|h\\d)"
_BREAK = re.compile(rf"</{_BLOCK}>\s*<{_BLOCK}\b[^>]*>|<br\s*/?>|</?{_BLOCK}\b[^>]*>", re.I)
_TAG = re.compile(r"</?[a-z][^<>]*>", re.I)
_MEDIA = re.compile(r"\[sound:[^\]]*\]|<img\b[^>]*>", re.I)
_CLOZE = re.compile(r"\{\{c(\d+)::(.*?)(?:::(.*?))?\}\}", re.DOTALL)
NAMES = ("Front", "Back")
"""How Anki calls the two sides of a card."""
COLLECTIONS = ("collection.anki21b", "collection.anki21", "collection.anki2")
"""Members of an .apkg that hold the notes, the newest first: older ones say in it that Anki must be updated."""


def is_anki(text: str) -> bool:
    """Whether a text begins with the settings of Anki's export."""
    return _SETTING.match(text.lstrip("\ufeff")) is not None


def read_anki(reading: Reading) -> Iterator[Chunk]:
    """The notes of an exported text: a row for each, its fields without HTML."""
    settings: dict[str, str] = {}
    with open_text(reading) as handle:
        lines = handle.readlines()
    above = next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))
    for line in lines[:above]:
        if found := _SETTING.fullmatch(line.rstrip("\r\n")):
            settings[found[1].lower()] = found[2]
    said = settings.get("separator", "tab")
    separator = _SEPARATORS.get(said.strip().lower(), said[:1] or "\t")
    own = [name.strip() for name in settings.get("columns", "").split(separator) if name.strip()]
    aside = {int(settings[key]) for key in settings if key.endswith(" column") and settings[key].strip().isdigit()}
    notes: list[tuple[int, list[str], list[str]]] = []
    rows = csv.reader(lines[above:], delimiter=separator)
    for cells in rows:
        fields = [cell for place, cell in enumerate(cells, 1) if place not in aside]
        titles = [name for place, name in enumerate(own, 1) if place not in aside]
        if any(cell.strip() for cell in fields):
            notes.append((above + rows.line_num, titles or _get_names(len(fields)), fields))
    yield from _get_chunks(reading, notes, "line", settings.get("html", "false").strip().lower() == "true")


def read_apkg(reading: Reading) -> Iterator[Chunk]:
    """The notes of a deck.

    Raises:
        GaslampError: it is damaged, or holds no notes.
    """
    fix = "export the deck again: File, Export, Notes in Plain Text (.txt)"
    try:
        with zipfile.ZipFile(reading.file) as packed, TemporaryDirectory(prefix="gaslamp-anki-") as folder:
            member = next((name for name in COLLECTIONS if name in packed.namelist()), None)
            if member is None:
                raise GaslampError(f"{reading.title} is no deck of Anki: it holds no {COLLECTIONS[-1]}", fix)
            file = Path(folder) / "notes"
            _unpack(packed, member, file, reading)
            notes = _read_notes(file)
    except (zipfile.BadZipFile, sqlite3.Error, OSError, ValueError, KeyError, RuntimeError) as error:
        raise GaslampError(
            f"{reading.title} is a damaged deck of Anki, or one of a kind not known: {error}", fix
        ) from error
    if not notes:
        raise GaslampError(f"{reading.title} holds no notes", fix)
    yield from _get_chunks(reading, notes, "note", True)


def _unpack(packed: zipfile.ZipFile, member: str, file: Path, reading: Reading) -> None:
    """Write the collection of a deck to a file."""
    import zstandard

    most = max(limits.CHUNK * 64, limits.MAX_RATIO * max(1, packed.getinfo(member).compress_size))
    with packed.open(member) as raw, file.open("wb") as out:
        source = zstandard.ZstdDecompressor().stream_reader(raw) if member.endswith("b") else raw
        done = 0
        try:
            while block := source.read(limits.CHUNK):
                done += len(block)
                if done > most:
                    raise GaslampError(
                        f"{reading.title} unpacks to more than {most >> 20} MB", "this is no deck of Anki"
                    )
                out.write(block)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error


def _read_notes(file: Path) -> list[tuple[int, list[str], list[str]]]:
    """Number, names of the fields, and fields of each note."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)) as base:
        base.create_collation("unicase", lambda one, two: (one > two) - (one < two))
        names: dict[int, list[str]] = {}
        tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "fields" in tables:
            for kind, _, name in sorted(base.execute("SELECT ntid, ord, name FROM fields")):
                names.setdefault(kind, []).append(name)
        else:
            (models,) = base.execute("SELECT models FROM col").fetchone()
            for kind, model in json.loads(models).items():
                fields = sorted(model["flds"], key=lambda field: field["ord"])
                names[int(kind)] = [field["name"] for field in fields]
        found = base.execute("SELECT mid, flds FROM notes ORDER BY id").fetchall()
    return [
        (number, names.get(kind) or _get_names(len(fields)), fields)
        for number, (kind, text) in enumerate(found, 1)
        if (fields := text.split("\x1f"))
    ]


def _get_names(count: int) -> list[str]:
    return [*NAMES, *(f"field {number}" for number in range(3, count + 1))][:count]


def _get_chunks(
    reading: Reading, notes: list[tuple[int, list[str], list[str]]], unit: str, is_html: bool
) -> Iterator[Chunk]:
    """The rows of the notes; those of which a side is no text are left out and counted."""
    reading.note("it is a deck of Anki: each note is a row, without its tags and ids")
    rows: list[Numbered] = []
    media = clozes = 0
    for number, names, fields in notes:
        row = {name: _clean(field, is_html) for name, field in zip(names, fields, strict=False)}
        if any(_CLOZE.search(text) for text in row.values()):
            made = _read_clozes(row)
            clozes += len(made)
            rows += [(number, card) for card in made]
        elif any(_MEDIA.search(field) and not row[name] for name, field in zip(names, fields, strict=False)):
            media += 1
        else:
            rows.append((number, row))
    if clozes:
        reading.note(f"{clozes} gaps of cloze notes are rows: the text with the gap, and what stands in it")
    if media:
        reading.note(f"left out: {media} notes of which a side is only a picture or a sound")
    kinds = Counter(tuple(row) for _, row in rows)
    if len(kinds) > 1:
        most = kinds.most_common(1)[0][0]
        others = "; ".join(f"{count} with {', '.join(names)}" for names, count in kinds.most_common()[1:4])
        reading.note(f"its notes are of {len(kinds)} kinds: those with {', '.join(most)} are read, left out: {others}")
        rows = [(number, row) for number, row in rows if tuple(row) == most]
    for start in range(0, len(rows), limits.BATCH):
        batch = rows[start : start + limits.BATCH]
        yield Chunk(parse_rows, f"{reading.name}, {unit}", 1, batch, reading.split)


def _clean(field: str, is_html: bool) -> str:
    """The text of a field: without tags, pictures and sounds."""
    text = _MEDIA.sub("", field)
    if is_html:
        text = html.unescape(_TAG.sub("", _BREAK.sub("\n", text))).replace("\u00a0", " ")
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _read_clozes(row: dict[str, str]) -> list[dict[str, str]]:
    """A card for each gap of a note, as Anki shows it."""
    text = next(text for text in row.values() if _CLOZE.search(text))
    numbers = sorted({found[1] for found in _CLOZE.finditer(text)}, key=int)
    cards = []
    for number in numbers:

        def show(found: re.Match[str], number: str = number) -> str:
            return f"[{found[3] or '...'}]" if found[1] == number else found[2]

        hidden = [found[2] for found in _CLOZE.finditer(text) if found[1] == number]
        cards.append(dict(zip(NAMES, (_CLOZE.sub(show, text), ", ".join(hidden)), strict=True)))
    return cards

"""Which files a source has, what each is by its name and its first bytes, and its rows chunk by chunk."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import archives
from gaslamp.data.readers.anki import COLLECTIONS
from gaslamp.data.readers.chunks import Chunk, Options, Reading
from gaslamp.data.readers.class_folders import find_classes, get_folder_split, mix_classes, read_class
from gaslamp.data.readers.delimited import read_csv
from gaslamp.data.readers.folders import COPIES, describe_unread, list_folder, refuse_captions, refuse_media
from gaslamp.data.readers.json_files import get_json_kind, is_json, read_json
from gaslamp.data.readers.kinds import ADVICE, DOCUMENTS, READERS, TABLES, TEXT, Reader, get_suffix
from gaslamp.data.readers.opening import BINARY, COMPRESSED, get_compression, read_head, read_text_head, refuse_foreign
from gaslamp.data.readers.paired_files import FEWEST, Pair, find_pairs, get_pair_split, read_pair
from gaslamp.data.readers.plain_text import is_table, read_txt
from gaslamp.data.readers.splits import are_obeyed, get_file_split
from gaslamp.data.readers.word_columns import is_word_columns, read_word_columns

DEEPEST = 3  # archives in archives
SHOWN_CLASSES = 6


@dataclass
class Found:
    """The data files of a source.

    Attributes:
        files: each with the name that places and messages give it.
        folder: where relative image paths start.
        is_several: whether they come from a folder or an archive: their names may say splits then.
        left_out: reason -> files that are not read.
        work: folder that archives were unpacked to; it goes when this object goes.
    """

    files: list[tuple[Path, str]]
    folder: Path
    is_several: bool
    left_out: dict[str, list[str]] = field(default_factory=dict)
    work: TemporaryDirectory[str] | None = None

    def leave_out(self, reason: str, names: list[str]) -> None:
        """Record files that are not read."""
        if names:
            self.left_out.setdefault(reason, []).extend(names)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file, _ in self.files)


def find_files(source: Path) -> list[Path]:
    """The data files of a folder in order of their names, or the file itself. Archives are not unpacked.

    Raises:
        GaslampError: a folder without data files, or a file of a kind that is not read.
    """
    if source.is_dir():
        files = list_folder(source).files
        if not files:
            refuse_media(source)
            raise GaslampError(
                f"{source} has no data files", f"put a file there that ends in {', '.join(READERS)} or .zip"
            )
        return files
    if not archives.is_archive(source) and get_suffix(source) not in READERS and not sniff(source):
        raise GaslampError(
            f"{source}: files that end in '{source.suffix}' cannot be read",
            ADVICE.get(source.suffix.lower(), f"save it as one of {', '.join(READERS)} (text ones also compressed)"),
            "it is one of these under another name: rename it",
        )
    return [source]


def sniff(file: Path) -> str | None:
    """The kind of a file by its first bytes, when its name says nothing or something wrong.

    An ending of READERS or ``.zip``.
    """
    if not file.is_file() or not file.stat().st_size:
        return None
    head = read_head(file)
    kind = next((suffix for magic, suffix in BINARY if head.startswith(magic)), None)
    if kind == ".zip":
        return _get_zip_kind(file)
    if kind == ".xls" or kind:
        return kind
    if b"\0" in head[:4096] or not head.strip():
        return None
    text, whole = read_text_head(Reading(file, file.name))
    if _holds_json(text):
        return ".json"
    return ".csv" if is_table(text, whole) else None


def _holds_json(text: str) -> bool:
    kind = get_json_kind(text)
    first = text.strip().splitlines()[0] if text.strip() else ""
    return kind == "lines" or (kind is not None and (is_json(first) or first.strip() in ("[", "{")))


def _get_zip_kind(file: Path) -> str:
    """What a zip archive is: a spreadsheet, a document, or an archive of files."""
    try:
        with zipfile.ZipFile(file) as packed:
            names = set(packed.namelist())
            if "mimetype" in names and b"opendocument.spreadsheet" in packed.read("mimetype")[:200]:
                return ".ods"
    except (zipfile.BadZipFile, OSError, RuntimeError):
        return ".zip"
    if any(name.startswith("xl/") for name in names):
        return ".xlsx"
    if names & set(COLLECTIONS):
        return ".apkg"
    return ".docx" if "word/document.xml" in names else ".zip"


def _is_hidden_archive(file: Path) -> bool:
    """Whether a file is a zip archive of files under another name."""
    if get_suffix(file) in (*TABLES, *DOCUMENTS):
        return False
    with file.open("rb") as handle:
        start = handle.read(4)
    return start == b"PK\x03\x04" and _get_zip_kind(file) == ".zip"


def collect(source: Path, member: str | None = None) -> Found:
    """The data files of a file, a folder or an archive; archives are unpacked to a folder of our own.

    Args:
        source: where they are.
        member: the one file of an archive that is meant.

    Raises:
        GaslampError: there are none, one is of a kind that is not read, or an archive is not safe to unpack.
    """
    listed = find_files(source)
    root = source if source.is_dir() else source.parent
    found = Found([], root, source.is_dir())
    if source.is_dir():
        _leave_out(found, source, "")
    refuse_captions(listed)
    for file in listed:
        name = file.relative_to(root).as_posix().replace("\n", " ")
        if _is_packed(file):
            folder = _unpack(found, file, name, member)
            if not source.is_dir():
                found.folder, found.is_several = folder, True
        else:
            found.files.append((file, name))
    return found


def _is_packed(file: Path) -> bool:
    return archives.is_archive(file) or _is_hidden_archive(file)


def _unpack(found: Found, file: Path, name: str, member: str | None, depth: int = 1) -> Path:
    """Add the data files of an archive, of those in it too; returns the folder that it was unpacked to."""
    found.work = found.work or TemporaryDirectory(prefix="gaslamp-archive-")
    folder = Path(tempfile.mkdtemp(dir=found.work.name))
    names, skipped = archives.unpack(file, folder)
    count = len(found.files)
    found.leave_out(HIDDEN, [f"{name}/{path}" for path in skipped])
    for path in _leave_out(found, folder, f"{name}/"):
        inner = path.relative_to(folder).as_posix()
        if _is_packed(path):
            if depth >= DEEPEST:
                raise GaslampError(
                    f"{name}/{inner}: archives stand in archives more than {DEEPEST} deep",
                    "unpack the inner ones first",
                )
            _unpack(found, path, f"{name}/{inner}", member, depth + 1)
        elif member in (None, inner, path.name):
            found.files.append((path, f"{name}/{inner}"))
    if len(found.files) == count and depth == 1:
        raise GaslampError(
            f"{file} has no data file{f' {member}' if member else ''}: it holds {', '.join(names[:8]) or 'nothing'}",
            f"pack a file that ends in {', '.join(READERS)}",
        )
    return folder


HIDDEN = "hidden files, lock files and notes"


def _leave_out(found: Found, folder: Path, prefix: str) -> list[Path]:
    """Record what is not read of a folder; returns what is."""
    listing = list_folder(folder)

    def name(files: list[Path]) -> list[str]:
        return [f"{prefix}{file.relative_to(folder).as_posix()}" for file in files]

    copies = [file for file in listing.unknown if COPIES.search(file.name)]
    unknown = [file for file in listing.unknown if file not in copies]
    alike = [file for file in unknown if sniff(file)]
    found.leave_out("as documents next to tables", name(listing.documents))
    found.leave_out("as copies or unfinished files", name(copies))
    found.leave_out("as their endings name no data", name([file for file in unknown if file not in alike]))
    found.leave_out("though they hold rows (give them an ending: .csv, .jsonl ...)", name(alike))
    found.leave_out(HIDDEN, name(listing.hidden))
    return listing.files


def read_chunks(
    source: Path | Found, options: Options | None = None, notes: list[str] | None = None
) -> Iterator[Chunk]:
    """Every row of a file, or of the readable files of a folder or an archive.

    Files that are called train, valid(ation) / dev and test (with anything behind) say the split of their rows, when
    all files of a folder are called so.

    Args:
        source: where the files are, or what ``collect`` found there.
        options: what the user says about them.
        notes: takes how they were understood.

    Raises:
        GaslampError: another kind of file, an empty or a damaged one.
    """
    found = source if isinstance(source, Found) else collect(source)
    notes = notes if notes is not None else []
    pairs = find_pairs(found.files) if found.is_several else []
    if pairs:
        yield from _read_pairs(found, pairs, options or Options(), notes)
        return
    classes = find_classes(found.files) if found.is_several else {}
    if classes:
        others = [name for _, name in found.files if name not in classes]
        found.files = mix_classes([file for file in found.files if file[1] in classes], classes)
        found.leave_out("as they stand in no folder of a class", others)
        names = ", ".join(sorted(set(classes.values()))[:SHOWN_CLASSES])
        notes.append(f"folders or files name a class each ({names}): it stands next to its texts")
    splits = [get_folder_split(name) if classes else get_file_split(file) for file, name in found.files]
    obeyed = found.is_several and are_obeyed(splits)
    notes += [text for text in describe_unread(found.left_out) if text not in notes]
    for (file, name), split in zip(found.files, splits, strict=True):
        unpacked = found.work is not None and file.is_relative_to(found.work.name)
        reading = Reading(file, name, split if obeyed else None, options or Options(), notes, unpacked)
        yield from read_class(reading, classes[name]) if name in classes else get_reader(reading)(reading)


def _read_pairs(found: Found, pairs: list[Pair], options: Options, notes: list[str]) -> Iterator[Chunk]:
    """The rows of files that belong together by two."""
    is_only = len(pairs) < FEWEST
    splits = [get_pair_split(pair) for pair in pairs]
    obeyed = are_obeyed(splits)
    note = f"the files are read in pairs, {'line by line' if is_only else 'a row each'}: {' and '.join(pairs[0])}"
    notes += [text for text in (*describe_unread(found.left_out), note) if text not in notes]
    for pair, split in zip(pairs, splits, strict=True):
        file, name = next(iter(pair.values()))
        unpacked = found.work is not None and file.is_relative_to(found.work.name)
        reading = Reading(file, name, split if obeyed else None, options, notes, unpacked)
        yield from read_pair(pair, is_only, reading)


def get_reader(reading: Reading) -> Reader:
    """What reads a file: by its name, or by its first bytes where these say something else.

    Raises:
        GaslampError: it is no data.
    """
    file = reading.file
    named = get_suffix(file)
    if not file.stat().st_size:
        if named in TABLES or named in DOCUMENTS:
            return READERS[named]  # it says what is wrong
        raise GaslampError(f"{reading.title} is empty", "put rows into it, or set data.source to another file")
    head = read_head(file)
    refuse_foreign(file, head[:64])
    binary = next((suffix for magic, suffix in BINARY if head.startswith(magic)), None)
    if binary and named in (*TEXT, *COMPRESSED, ""):
        if get_compression(file):
            raise GaslampError(f"{file} is a compressed {binary} file", "unpack it first")
        kind = _get_zip_kind(file) if binary == ".zip" else binary
        reading.note(f"it is a {kind} file under another name and is read as such")
        return READERS[kind]
    if named in TABLES or named in DOCUMENTS:
        return READERS[named]
    if named == ".txt":
        return read_txt
    text, whole = read_text_head(reading)
    if named not in (".json", ".jsonl", ".ndjson") and _holds_json(text):
        reading.note("it holds JSON and is read as such")
        return read_json
    if named in (".json", ".jsonl", ".ndjson") and get_json_kind(text) is None and is_table(text, whole):
        reading.note("it holds a table and is read as such")
        return read_csv
    if named in (".csv", ".tsv") and is_word_columns(text):
        return read_word_columns
    if named in TEXT:
        return TEXT[named]
    if is_table(text, whole):
        reading.note("it holds a table and is read as such")
        return read_csv
    raise GaslampError(
        f"{file}: files that end in '{file.suffix}' cannot be read",
        ADVICE.get(file.suffix.lower(), f"save it as one of {', '.join(READERS)} (text ones also compressed)"),
        "it is one of these under another name: rename it",
    )

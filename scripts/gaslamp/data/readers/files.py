"""Which files a source has, what each is by its name and its first bytes, and its rows chunk by chunk."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import archives
from gaslamp.data.readers.chunks import Chunk, Options, Reading
from gaslamp.data.readers.columnar import read_arrow, read_parquet
from gaslamp.data.readers.delimited import read_csv
from gaslamp.data.readers.documents import read_docx, read_html, read_markdown, read_pdf
from gaslamp.data.readers.json_files import get_json_kind, is_json, read_json, read_json_lines
from gaslamp.data.readers.opening import BINARY, COMPRESSED, get_compression, read_head, read_text_head, refuse_foreign
from gaslamp.data.readers.plain_text import is_table, read_txt
from gaslamp.data.readers.splits import are_obeyed, get_file_split
from gaslamp.data.readers.workbooks import read_workbook

Reader = Callable[[Reading], Iterator[Chunk]]
TEXT: dict[str, Reader] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": lambda reading: read_csv(reading, "\t"),
    ".txt": read_txt,
}
TABLES: dict[str, Reader] = {
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".xlsx": read_workbook,
    ".xlsm": read_workbook,
    ".xlsb": read_workbook,
    ".xls": read_workbook,
    ".ods": read_workbook,
}
DOCUMENTS: dict[str, Reader] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".docx": read_docx,
    ".pdf": read_pdf,
}
READERS: dict[str, Reader] = {**TEXT, **TABLES, **DOCUMENTS}
"""Ending -> what reads such a file."""

NOTES = ("dataset_infos.json", "dataset_info.json", "state.json", "dataset_dict.json")
ABOUT = ("readme", "license", "licence", "changelog", "contributing", "notice", "dataset_card")
"""Documents of these names are about the data, not data."""

ADVICE = {
    ".7z": "unpack the archive and set data.source to the folder or file in it",
    ".rar": "unpack the archive and set data.source to the folder or file in it",
    ".doc": "save it as .docx",
    ".rtf": "save it as .docx or .txt",
    ".odt": "save it as .docx or .html",
    ".epub": "convert it to .html or .txt",
    ".pkl": "a pickle can run code when it is opened: save it as .parquet or .jsonl",
    ".pickle": "a pickle can run code when it is opened: save it as .parquet or .jsonl",
    ".pt": "a pickle can run code when it is opened: save it as .parquet or .jsonl",
    ".npy": "save it as .parquet or .jsonl",
    ".npz": "save it as .parquet or .jsonl",
    ".db": "export the table as CSV, or use data.sql on a .parquet of it",
    ".sqlite": "export the table as CSV, or use data.sql on a .parquet of it",
}


@dataclass
class Found:
    """The data files of a source.

    Attributes:
        files: each with the name that places and messages give it.
        folder: where relative image paths start.
        is_several: whether they come from a folder or an archive: their names may say splits then.
        left_out: documents that were not read because there are also tables.
        work: folder that archives were unpacked to; it goes when this object goes.
    """

    files: list[tuple[Path, str]]
    folder: Path
    is_several: bool
    left_out: list[str] = field(default_factory=list)
    work: TemporaryDirectory[str] | None = None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file, _ in self.files)


def get_suffix(file: Path) -> str:
    """The ending that says what a file is: ``.jsonl`` for ``a.JSONL`` and ``a.jsonl.gz``."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        return suffixes[-2] if len(suffixes) > 1 and suffixes[-2] in TEXT else suffixes[-1]
    return suffixes[-1] if suffixes else ""


def find_files(source: Path) -> list[Path]:
    """The data files of a folder in order of their names, or the file itself. Archives are not unpacked.

    Raises:
        GaslampError: a folder without data files, or a file of a kind that is not read.
    """
    if source.is_dir():
        files = _list_folder(source)[0]
        if not files:
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


def _list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of a folder to read, and the documents that are not: they are read only where nothing else is."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not _is_hidden(file, folder))
    tables = [file for file in files if get_suffix(file) in {**TEXT, **TABLES} or archives.is_archive(file)]
    documents = [file for file in files if get_suffix(file) in DOCUMENTS]
    texts = all(get_suffix(file) == ".txt" for file in tables)
    if tables and not texts:
        return tables, documents
    about = [file for file in documents if file.stem.lower().startswith(ABOUT)]
    read = [file for file in documents if file not in about] if len(documents) + len(tables) > len(about) else documents
    return sorted([*tables, *read]), [file for file in documents if file not in read]


def _is_hidden(file: Path, root: Path) -> bool:
    """Whether a file is hidden, a lock file of a spreadsheet program, or what `datasets` notes about a set."""
    parts = file.relative_to(root).parts
    return any(part.startswith((".", "~$")) for part in parts) or file.name in NOTES


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
    left_out = [file.relative_to(root).as_posix() for file in _list_folder(source)[1]] if source.is_dir() else []
    found = Found([], root, source.is_dir(), left_out)
    for file in listed:
        name = file.relative_to(root).as_posix().replace("\n", " ")
        if not archives.is_archive(file) and not _is_hidden_archive(file):
            found.files.append((file, name))
            continue
        found.work = found.work or TemporaryDirectory(prefix="gaslamp-archive-")
        folder = Path(found.work.name) / str(len(found.files))
        folder.mkdir()
        names = archives.unpack(file, folder)
        inside, documents = _list_folder(folder)
        if member is not None:
            inside = [path for path in inside if path.relative_to(folder).as_posix() == member or path.name == member]
        if not inside:
            raise GaslampError(
                f"{file} has no data file{f' {member}' if member else ''}: "
                f"it holds {', '.join(names[:8]) or 'nothing'}",
                f"pack a file that ends in {', '.join(READERS)}",
            )
        found.left_out += [f"{name}/{path.relative_to(folder).as_posix()}" for path in documents]
        found.files += [(path, f"{name}/{path.relative_to(folder).as_posix()}") for path in inside]
        if not source.is_dir():
            found.folder, found.is_several = folder, True
    return found


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
    splits = [get_file_split(file) for file, _ in found.files]
    obeyed = found.is_several and are_obeyed(splits)
    if (
        found.left_out
        and (text := f"not read, as documents next to tables: {', '.join(found.left_out[:8])}") not in notes
    ):
        notes.append(text)
    for (file, name), split in zip(found.files, splits, strict=True):
        unpacked = found.work is not None and file.is_relative_to(found.work.name)
        reading = Reading(file, name, split if obeyed else None, options or Options(), notes, unpacked)
        yield from get_reader(reading)(reading)


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

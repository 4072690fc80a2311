"""Rows from files, a chunk at a time, each with the place it came from; every unreadable line is reported, none is skipped in silence.

A chunk is small and can be pickled: the process that reads the file only finds where its lines end, any process can parse it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gaslamp.core.errors import GaslampError

CHUNK = 1 << 20  # bytes of text in one chunk
BATCH = 2000  # rows of a table in one chunk
MAX_LINE = 64 << 20  # a longer line is no row: a file without line ends, or a bomb
MAX_RATIO = 2000  # an honest compressed text is 3 to 20 times smaller

Problem = tuple[str, str, str]
"""place, what is wrong, how to mend it ("" where the check's own advice fits)."""

Numbered = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Chunk:
    """Some consecutive rows of one file, not parsed yet.

    kind      jsonl | csv | rows | arrow: which function parses ``payload``
    label     "orders.csv, line": the number of a row behind it is its place
    first     number of the first row (jsonl: line), where rows count one by one
    payload   jsonl: bytes, or (path, offset, length); csv: (header, [(line, cells)]); rows: [(number, object)]; arrow: a record batch
    split     train, valid or test when the name of the file says so
    problems  what the reader itself found
    """

    kind: str
    label: str
    first: int
    payload: Any
    split: str | None = None
    problems: tuple[Problem, ...] = ()

    def read(self, problems: list[Problem]) -> Iterator[Numbered]:
        """The rows with their numbers; what cannot be read goes to ``problems``."""
        problems.extend(self.problems)
        rows: Iterator[Numbered] = PARSERS[self.kind](self, problems)
        return rows


# ------------------------------------------------------------------------------------------------------------ files


def find_files(source: Path) -> list[Path]:
    """The data files of a folder in order of their names, or the file itself.

    Raises:
        GaslampError: a folder without data files, or a file of a kind that is not read.
    """
    if source.is_dir():
        files = sorted(
            file
            for file in source.rglob("*")
            if file.is_file() and not _is_hidden(file, source) and get_suffix(file) in READERS
        )
        if not files:
            raise GaslampError(f"{source} has no data files", f"put a file there that ends in {', '.join(READERS)}")
        return files
    if get_suffix(source) not in READERS:
        raise GaslampError(
            f"{source}: files that end in '{source.suffix}' cannot be read",
            ADVICE.get(
                source.suffix.lower(), f"save it as one of {', '.join(READERS)} (text ones also as .gz or .zst)"
            ),
            "it is one of these under another name: rename it",
        )
    return [source]


def _is_hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def get_suffix(file: Path) -> str:
    """``.jsonl`` for ``a.JSONL`` and ``a.jsonl.gz``."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".zst"):
        return suffixes[-2] if len(suffixes) > 1 and suffixes[-2] in TEXT else suffixes[-1]
    return suffixes[-1] if suffixes else ""


def read_chunks(source: Path) -> Iterator[Chunk]:
    """Every row of a file or of the readable files in a folder.

    Files that are called train, valid(ation) / dev and test (with anything behind) say the split of their rows, when all
    files of a folder are called so.

    Raises:
        GaslampError: another kind of file, an empty or a damaged one.
    """
    files = find_files(source)
    splits = [get_file_split(file) for file in files]
    obeyed = source.is_dir() and all(splits) and "train" in splits and len(set(splits)) > 1
    for file, split in zip(files, splits, strict=True):
        name = (file.relative_to(source).as_posix() if source.is_dir() else file.name).replace("\n", " ")
        yield from READERS[get_suffix(file)](file, name, split if obeyed else None)


def get_file_split(file: Path) -> str | None:
    """The split in the name of a file: ``train-00000-of-00001.parquet`` -> train, ``validation.csv`` -> valid."""
    match = re.match(r"(train(?:ing)?|valid(?:ation)?|val|dev|test)(?![a-z])", file.name.lower())
    return SPLIT_NAMES[match[1]] if match else None


SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "eval": "valid",
    "test": "test",
}

ADVICE = {
    ".zip": "unpack the archive and set data.source to the folder or file in it",
    ".tar": "unpack the archive and set data.source to the folder or file in it",
    ".tgz": "unpack the archive and set data.source to the folder or file in it",
    ".7z": "unpack the archive and set data.source to the folder or file in it",
    ".rar": "unpack the archive and set data.source to the folder or file in it",
    ".xlsx": "save the sheet as CSV UTF-8",
    ".xls": "save the sheet as CSV UTF-8",
    ".ods": "save the sheet as CSV UTF-8",
    ".pkl": "a pickle can run code when it is opened: save it as .parquet or .jsonl",
    ".pt": "a pickle can run code when it is opened: save it as .parquet or .jsonl",
    ".npy": "save it as .parquet or .jsonl",
}

MAGIC = (
    (b"PAR1", (".parquet",), "a parquet file"),
    (b"ARROW1", (".arrow",), "an Arrow file"),
    (b"\x1f\x8b", (".gz",), "gzip-compressed"),
    (b"\x28\xb5\x2f\xfd", (".zst",), "zstd-compressed"),
    (b"PK\x03\x04", (), "a zip archive or a spreadsheet"),
    (b"BZh", (), "bzip2-compressed"),
    (b"\xfd7zXZ\x00", (), "xz-compressed"),
    (b"7z\xbc\xaf", (), "a 7z archive"),
    (b"%PDF", (), "a PDF document"),
    (b"\x89PNG", (), "a picture"),
    (b"\xff\xd8\xff", (), "a picture"),
    (b"\x7fELF", (), "a program"),
    (b"SQLite format 3", (), "an SQLite data base"),
)
ENCODINGS = ((b"\xff\xfe\x00\x00", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


def _look(file: Path, head: bytes) -> None:
    """Refuse what the first bytes show to be something else than text."""
    for magic, suffixes, what in MAGIC:
        if head.startswith(magic):
            fix = (
                f"rename it so that it ends in {suffixes[0]}"
                if suffixes
                else "unpack or convert it: text, CSV, JSON or parquet can be read"
            )
            raise GaslampError(
                f"{file} is {what} under another name", fix, "the download was cut or is another file: look with `file`"
            )
    for mark, encoding in ENCODINGS:
        if head.startswith(mark):
            fix = f"save it as UTF-8 (iconv -f {encoding.lower()} -t utf-8 {file.name} > new{file.suffix})"
            raise GaslampError(f"{file}, line 1: byte 0x{head[0]:02x} is not UTF-8; the file is {encoding}", fix)


def _open_bytes(file: Path) -> BinaryIO:
    """The bytes of a text file, unpacked when its name says so."""
    suffix = file.suffix.lower()
    if suffix == ".gz":
        return _Guarded(file, gzip.open(file, "rb"))  # type: ignore[return-value]
    if suffix == ".zst":
        import zstandard

        return _Guarded(file, zstandard.open(file, "rb"))  # type: ignore[return-value]
    return file.open("rb")


def _open_text(file: Path, newline: str) -> io.TextIOWrapper:
    """The characters of a text file; a byte-order mark in front is left out."""
    raw: Any = _open_bytes(file)
    return io.TextIOWrapper(
        raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw), encoding="utf-8-sig", newline=newline
    )


class _Guarded(io.RawIOBase):
    """A decompressor whose damage is told as ours, and which stops a bomb."""

    def __init__(self, file: Path, inner: Any) -> None:
        self._file, self._inner, self._done, self._size = file, inner, 0, max(1, file.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        import zlib

        try:
            data = self._inner.read(len(buffer))
        except EOFError as error:
            raise GaslampError(
                f"{self._file} is cut off: its compressed data ends too early", "download or compress it again"
            ) from error
        except (OSError, zlib.error) as error:
            raise GaslampError(
                f"{self._file} is damaged or no {self._file.suffix} file: {error}", "download or compress it again"
            ) from error
        except Exception as error:  # zstandard.ZstdError, without importing it for gzip
            if type(error).__name__ != "ZstdError":
                raise
            raise GaslampError(
                f"{self._file} is damaged or no {self._file.suffix} file: {error}", "download or compress it again"
            ) from error
        self._done += len(data)
        if self._done > 100e6 and self._done > MAX_RATIO * self._size:
            raise GaslampError(
                f"{self._file} unpacks to more than {MAX_RATIO} times its size: no text does that",
                "this is not a data set; do not open it with other programs",
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()


# ------------------------------------------------------------------------------------------------------------ JSON lines


def _read_jsonl(file: Path, name: str, split: str | None) -> Iterator[Chunk]:
    label, first, empty = f"{name}, line", 1, True
    for offset, data in _read_lines(file):
        if first == 1:
            _look(file, data[:16])
        if empty and not data.strip(b"\xef\xbb\xbf \t\r\n"):
            first += data.count(b"\n")
            continue
        empty = False
        plain = offset is not None
        yield Chunk("jsonl", label, first, (str(file), offset, len(data)) if plain else data, split)
        first += data.count(b"\n")
    if empty:
        raise GaslampError(f"{file} is empty", "put rows into it, or set data.source to another file")


def _read_lines(file: Path) -> Iterator[tuple[int | None, bytes]]:
    """Whole lines, about CHUNK bytes at a time, with their offset when the file is not compressed."""
    rest, offset = b"", 0
    plain = file.suffix.lower() not in (".gz", ".zst")
    with _open_bytes(file) as handle:
        while True:
            data = handle.read(CHUNK)
            if not data:
                break
            cut = data.rfind(b"\n") + 1
            if not cut:
                rest += data
                if len(rest) > MAX_LINE:
                    raise GaslampError(
                        f"{file}: a line is longer than {MAX_LINE >> 20} MB",
                        "one row a line: break it up",
                        "it is no text file",
                    )
                continue
            whole = rest + data[:cut]
            yield (offset if plain else None), whole
            offset += len(whole)
            rest = data[cut:]
    if rest:
        yield (offset if plain else None), rest


def _parse_jsonl(chunk: Chunk, problems: list[Problem]) -> Iterator[Numbered]:
    import orjson

    loads, label = orjson.loads, chunk.label
    data = chunk.payload
    if isinstance(data, tuple):
        path, offset, length = data
        with open(path, "rb") as handle:
            handle.seek(offset)
            data = handle.read(length)
    if chunk.first == 1:
        data = data.removeprefix(b"\xef\xbb\xbf")
    found: list[tuple[int, bytes, dict[str, Any]]] = []
    for number, line in enumerate(data.split(b"\n"), chunk.first):
        try:
            row = loads(line)
        except orjson.JSONDecodeError as error:
            if line.strip():
                problems.append(_explain_line(f"{label} {number}", line, error))
            continue
        if type(row) is not dict:
            problems.append((f"{label} {number}", f"a row must be an object {{...}}, found {get_type_name(row)}", ""))
            continue
        found.append((number, line, row))
    # one look at the whole chunk: a key that stands twice is one more in the text than in the rows
    written = data.count(b'":') + data.count(b'" :')
    is_plain = not problems and (
        written == sum([len(row) for _, _, row in found]) or written == sum([count_keys(row) for _, _, row in found])
    )
    for number, line, row in found:
        if (
            not is_plain
            and line.count(b'":') + line.count(b'" :') != count_keys(row)
            and (twice := find_duplicate_key(line))
        ):
            problems.append((f"{label} {number}", f"the key '{twice}' stands twice in this row", "keep one of them"))
            continue
        yield number, row


def count_keys(row: dict[str, Any]) -> int:
    """How many keys an object holds, those of objects inside it too."""
    count = len(row)
    for value in row.values():
        kind = type(value)
        if kind is list:
            for item in value:
                if type(item) is dict:
                    count += count_keys(item)
        elif kind is dict:
            count += count_keys(value)
    return count


def find_duplicate_key(line: bytes) -> str | None:
    """A key that stands twice in one object of this JSON text; JSON readers would silently take the last."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) != len(pairs):
            names = [name for name, _ in pairs]
            found.append(next(name for name in names if names.count(name) > 1))
        return row

    json.loads(line, object_pairs_hook=look)
    return found[0] if found else None


def get_type_name(value: Any) -> str:
    """The type of a JSON value, as JSON calls it."""
    return {
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }.get(type(value), type(value).__name__)


def _explain_line(place: str, line: bytes, error: Any) -> Problem:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return (
            place,
            f"byte 0x{line[wrong.start]:02x} is not UTF-8",
            "save the file as UTF-8 (iconv -f latin1 -t utf-8 old > new)",
        )
    message = str(error.msg).split(": line")[0]
    if re.search(r"(?<![\w\"])(NaN|-?Infinity)(?![\w\"])", text):
        return (
            place,
            f"not valid JSON ({message} at column {error.colno}): JSON has no NaN or Infinity",
            "write null, or leave the row out",
        )
    if "\x00" in text:
        return (
            place,
            f"not valid JSON (a NUL byte at column {text.index(chr(0)) + 1})",
            "remove the NUL bytes (tr -d '\\000')",
        )
    if text.lstrip().startswith(("<!DOCTYPE", "<html", "<?xml")):
        return place, "this is a web page, no JSON", "download the raw file, not the page that shows it"
    return place, f"not valid JSON ({message} at column {error.colno})", ""


# ------------------------------------------------------------------------------------------------------------ JSON


def _read_json(file: Path, name: str, split: str | None) -> Iterator[Chunk]:
    """A list of objects, read piece by piece; or one object that holds such a list; or JSON lines under another name."""
    with _open_bytes(file) as handle:
        head = handle.read(1 << 16)
    _look(file, head[:16])
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        raise GaslampError(f"{file} is empty", "put rows into it, or set data.source to another file")
    if start == b"[":
        yield from _read_array(file, name, split)
        return
    if b"\n" in head and _is_object(head.split(b"\n", 1)[0]):  # one object a line under the wrong name
        yield from _read_jsonl(file, name, split)
        return
    yield from _read_object(file, name, split)


def _is_object(line: bytes) -> bool:
    import orjson

    try:
        return isinstance(orjson.loads(line.removeprefix(b"\xef\xbb\xbf")), dict)
    except orjson.JSONDecodeError:
        return False


def _get_decoder() -> json.JSONDecoder:
    def refuse_constant(name: str) -> Any:
        raise ValueError(f"JSON has no {name}")

    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) != len(pairs):
            names = [key for key, _ in pairs]
            raise ValueError(
                f"the key '{next(key for key in names if names.count(key) > 1)}' stands twice in one object"
            )
        return row

    return json.JSONDecoder(object_pairs_hook=refuse_twice, parse_constant=refuse_constant)


def _read_array(file: Path, name: str, split: str | None) -> Iterator[Chunk]:
    decoder, label = _get_decoder(), f"{name}, item"
    rows: list[Numbered] = []
    problems: list[Problem] = []
    skip = re.compile(r"[ \t\r\n]*")
    text, at, number, lines, ended = "", 0, 0, 1, False
    with _open_text(file, "") as handle:

        def more() -> bool:
            nonlocal text, at, lines, ended
            try:
                new = handle.read(max(CHUNK, len(text) - at))
            except UnicodeDecodeError as error:
                raise _explain_encoding(file, error) from error
            lines += text.count("\n", 0, at)
            text, at = text[at:] + new, 0
            ended = not new
            return bool(new)

        def look(wanted: str) -> str:
            """The next sign that is no space; it stays unread unless it is one of ``wanted``."""
            nonlocal at
            while True:
                at = skip.match(text, at).end()  # type: ignore[union-attr]
                if at < len(text) or not more():
                    sign = text[at : at + 1]
                    at += bool(sign) and sign in wanted
                    return sign

        def fail(message: str, position: int) -> GaslampError:
            line = lines + text.count("\n", 0, position)
            return GaslampError(
                f"{file}, line {line}: not valid JSON ({message})",
                "mend that line, or save one object a line as .jsonl",
            )

        look("[")
        if look("") == "]":
            raise GaslampError(
                f"{file} is empty: its list has no items", "put rows into it, or set data.source to another file"
            )
        while True:
            look("")
            while True:
                try:
                    value, end = decoder.raw_decode(text, at)
                    # a number at the very end of the text may go on
                    if end < len(text) or ended:
                        break
                except json.JSONDecodeError as error:
                    if ended:
                        raise fail(error.msg, error.pos) from error
                except ValueError as error:
                    raise GaslampError(f"{file}, item {number + 1}: {error}", "mend that item") from error
                except RecursionError as error:
                    raise GaslampError(f"{file}, item {number + 1}: nested too deeply", "mend that item") from error
                if len(text) - at > MAX_LINE:
                    raise fail(f"an item longer than {MAX_LINE >> 20} MB", at)
                more()
            number, at = number + 1, end
            if isinstance(value, dict):
                rows.append((number, value))
            else:
                problems.append(
                    (f"{label} {number}", f"a row must be an object {{...}}, found {get_type_name(value)}", "")
                )
            if len(rows) + len(problems) >= BATCH:
                yield Chunk("rows", label, number, rows, split, tuple(problems))
                rows, problems = [], []
            sign = look(",]")
            if sign == "]":
                break
            if sign != ",":
                raise fail("',' or ']' expected" if sign else "the list is never closed: the file is cut off", at)
        if look(""):
            raise fail("something follows the end of the list", at)
    yield Chunk("rows", label, number, rows, split, tuple(problems))


def _read_object(file: Path, name: str, split: str | None) -> Iterator[Chunk]:
    text = _decode(file)
    try:
        value = _get_decoder().decode(text)
    except json.JSONDecodeError as error:
        raise GaslampError(
            f"{file}, line {error.lineno}: not valid JSON ({error.msg})",
            "mend that line, or save one object a line as .jsonl",
        ) from error
    except (ValueError, RecursionError) as error:
        raise GaslampError(
            f"{file}: not valid JSON ({error or 'nested too deeply'})", "mend it, or save one object a line as .jsonl"
        ) from error
    lists = [item for item in value.values() if isinstance(item, list)] if isinstance(value, dict) else []
    is_wrapper = (
        isinstance(value, dict)
        and len(lists) == 1
        and (not lists[0] or isinstance(lists[0][0], dict))
        and not _is_row(value)
    )
    items = lists[0] if is_wrapper else [value]  # {"version": 1, "data": [...]}
    rows = [(number, item) for number, item in enumerate(items, 1) if isinstance(item, dict)]
    problems = [
        (f"{name}, item {number}", f"a row must be an object {{...}}, found {get_type_name(item)}", "")
        for number, item in enumerate(items, 1)
        if not isinstance(item, dict)
    ]
    yield Chunk("rows", f"{name}, item", 1, rows, split, tuple(problems))


def _is_row(value: dict[str, Any]) -> bool:
    """Whether an object with one list is a row (a talk with its turns) and no wrapper around rows."""
    return any(key in value for key in ("messages", "conversations", "conversation", "prompt", "chosen"))


def _decode(file: Path) -> str:
    with _open_bytes(file) as handle:
        data = handle.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _get_encoding_error(file, line, data[error.start]) from error


def _explain_encoding(file: Path, error: UnicodeDecodeError) -> GaslampError:
    """Where the first byte is that is no UTF-8; the stream only knew it was in its last piece."""
    import codecs

    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    with _open_bytes(file) as handle:
        while data := handle.read(CHUNK):
            try:
                lines += decoder.decode(data).count("\n")
            except UnicodeDecodeError as found:
                return _get_encoding_error(
                    file, lines + found.object[: found.start].count(b"\n"), found.object[found.start]
                )
    return _get_encoding_error(file, lines, error.object[error.start])


def _get_encoding_error(file: Path, line: int, byte: int) -> GaslampError:
    return GaslampError(
        f"{file}, line {line}: byte 0x{byte:02x} is not UTF-8",
        f"save it as UTF-8 (iconv -f latin1 -t utf-8 {file.name} > new{file.suffix})",
        "it is no text file: check what it is with `file`",
    )


def _parse_rows(chunk: Chunk, problems: list[Problem]) -> Iterator[Numbered]:
    return iter(chunk.payload)


# ------------------------------------------------------------------------------------------------------------ tables of text


def _read_csv(file: Path, name: str, split: str | None, delimiter: str = ",") -> Iterator[Chunk]:
    with _open_bytes(file) as start:
        head = start.read(1 << 16)
    _look(file, head[:16])
    stripped = head.removeprefix(b"\xef\xbb\xbf").strip()
    if not stripped:
        raise GaslampError(f"{file} is empty", "put rows into it, or set data.source to another file")
    if stripped[:1] in (b"{", b"[") and (_is_object(stripped.split(b"\n", 1)[0]) or stripped[:1] == b"["):
        raise GaslampError(f"{file} holds JSON, no table", "rename it to .jsonl (one object a line) or .json")
    if b"\0" in head:
        line = head[: head.index(b"\0")].count(b"\n") + 1
        raise GaslampError(
            f"{file}, line {line}: a NUL byte: this is no text",
            "export the table again as CSV UTF-8",
            "remove them: tr -d '\\000'",
        )
    first = stripped.split(b"\n", 1)[0]
    if delimiter == "," and b"," not in first:  # what spreadsheets write in half of Europe
        delimiter = ";" if b";" in first else "\t" if b"\t" in first else ","
    csv.field_size_limit(MAX_LINE)
    label = f"{name}, line"
    rows: list[tuple[int, list[str]]] = []
    problems: list[Problem] = []
    header: list[str] = []
    with _open_text(file, "") as handle:
        reader = csv.reader(handle, delimiter=delimiter, strict=True)
        size = 0
        while True:
            before = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                problems.append(
                    (
                        f"{label} {before + 1 if header else 1}",
                        f"{error} (a quote that is opened must be closed, one inside is doubled)",
                        "",
                    )
                )
                continue
            except UnicodeDecodeError as error:
                raise _explain_encoding(file, error) from error
            if not header:
                header = _get_header(file, cells)
                continue
            if not any(map(str.strip, cells)):
                continue
            if len(cells) != len(header):
                hint = (
                    "put quotes around a cell that holds the separator or a line end"
                    if len(cells) > len(header)
                    else ""
                )
                problems.append(
                    (f"{label} {reader.line_num}", f"{len(cells)} cells, but the header has {len(header)}", hint)
                )
            else:
                rows.append((reader.line_num, cells))
                size += sum(map(len, cells))
            if len(rows) + len(problems) >= BATCH or size > 4 * CHUNK:
                yield Chunk("csv", label, 0, (header, rows), split, tuple(problems))
                rows, problems, size = [], [], 0
    yield Chunk("csv", label, 0, (header, rows), split, tuple(problems))


def _get_header(file: Path, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise GaslampError(f"{file}, line 1: the column '{twice[0]}' stands twice in the header", "rename one of them")
    return [name or f"column {number}" for number, name in enumerate(names, 1)]


def _parse_csv(chunk: Chunk, problems: list[Problem]) -> Iterator[Numbered]:
    header, rows = chunk.payload
    for number, cells in rows:
        yield number, dict(zip(header, cells, strict=True))


def _read_txt(file: Path, name: str, split: str | None) -> Iterator[Chunk]:
    """Plain text: every line that is not empty is a row."""
    number, rows, size = 0, [], 0
    with _open_bytes(file) as start:
        _look(file, start.read(16))
    with _open_text(file, "\n") as handle:
        try:
            for number, line in enumerate(handle, 1):
                if text := line.rstrip("\r\n"):
                    rows.append((number, {"text": text}))
                    size += len(text)
                if size > CHUNK:
                    yield Chunk("rows", f"{name}, line", number, rows, split)
                    rows, size = [], 0
        except UnicodeDecodeError as error:
            raise _explain_encoding(file, error) from error
    if not number or not any(row["text"].strip() for _, row in rows):
        raise GaslampError(f"{file} is empty", "put rows into it, or set data.source to another file")
    yield Chunk("rows", f"{name}, line", number, rows, split)


# ------------------------------------------------------------------------------------------------------------ binary tables


def _read_parquet(file: Path, name: str, split: str | None) -> Iterator[Chunk]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            yield from get_arrow_chunks(table.iter_batches(BATCH), f"{name}, row", split)
            rows = table.metadata.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise GaslampError(
            f"{file} is not a readable parquet file: {str(error)[:200]}", "write it again; it may have been cut off"
        ) from error
    if not rows:
        raise GaslampError(f"{file} is empty", "put rows into it, or set data.source to another file")


def _read_arrow(file: Path, name: str, split: str | None) -> Iterator[Chunk]:
    import pyarrow

    def batches() -> Iterator[Any]:
        with pyarrow.memory_map(str(file)) as memory:
            if memory.read(6) == b"ARROW1":
                table = pyarrow.ipc.open_file(memory)
                yield from (table.get_batch(number) for number in range(table.num_record_batches))
            else:  # the stream that `datasets` writes
                memory.seek(0)
                yield from pyarrow.ipc.open_stream(memory)

    empty = True
    try:
        for chunk in get_arrow_chunks(batches(), f"{name}, row", split):
            empty = False
            yield chunk
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise GaslampError(
            f"{file} is not a readable Arrow file: {str(error)[:200]}", "write it again; it may have been cut off"
        ) from error
    if empty:
        raise GaslampError(f"{file} is empty", "put rows into it, or set data.source to another file")


def get_arrow_chunks(batches: Iterable[Any], label: str, split: str | None = None) -> Iterator[Chunk]:
    """Chunks of at most BATCH rows from pyarrow record batches."""
    number = 1
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH):
            part = batch.slice(start, BATCH)
            yield Chunk("arrow", label, number, part, split)
            number += part.num_rows


def _parse_arrow(chunk: Chunk, problems: list[Problem]) -> Iterator[Numbered]:
    try:
        return enumerate(chunk.payload.to_pylist(), chunk.first)
    except (ValueError, OverflowError) as error:  # bytes that are no UTF-8 in a text column
        problems.append(
            (
                f"{chunk.label} {chunk.first}",
                f"these {chunk.payload.num_rows} rows cannot be decoded: {str(error)[:120]}",
                "",
            )
        )
        return iter(())


Reader = Callable[[Path, str, str | None], Iterator[Chunk]]
READERS: dict[str, Reader] = {
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": lambda file, name, split: _read_csv(file, name, split, "\t"),
    ".txt": _read_txt,
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
}
TEXT = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
PARSERS: dict[str, Callable[[Chunk, list[Problem]], Any]] = {
    "jsonl": _parse_jsonl,
    "csv": _parse_csv,
    "rows": _parse_rows,
    "arrow": _parse_arrow,
}

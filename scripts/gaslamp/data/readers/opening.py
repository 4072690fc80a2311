"""The bytes of a file.

What it is by its first bytes, unpacked when it is compressed, as UTF-8 whatever its encoding.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Reading
from gaslamp.data.readers.encodings import MARKS, detect_encoding, is_valid_utf8_mostly

COMPRESSED = {
    ".gz": b"\x1f\x8b",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ\x00",
}
"""Ending -> the first bytes of such a file."""

BINARY = (
    (b"PAR1", ".parquet"),
    (b"ARROW1", ".arrow"),
    (b"PK\x03\x04", ".zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
    (b"%PDF", ".pdf"),
)
"""First bytes -> the kind of file that can be read all the same."""

FOREIGN = (
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"version https://git-lfs.github.com", "a Git LFS pointer, not the file itself"),
)


def read_head(file: Path, size: int = limits.HEAD) -> bytes:
    """The first bytes of a file, unpacked when it is compressed."""
    with open_bytes(file) as handle:
        return handle.read(size)


def refuse_foreign(file: Path, head: bytes) -> None:
    """Raise GaslampError for what the first bytes show to be no data."""
    for magic, what in FOREIGN:
        if head.startswith(magic):
            fix = (
                "download the file itself: git lfs pull"
                if "LFS" in what
                else "unpack or convert it: text, CSV, JSON, spreadsheets and parquet can be read"
            )
            raise GaslampError(
                f"{file} is {what} under another name", fix, "the download was cut or is another file: look with `file`"
            )


def get_compression(file: Path) -> str | None:
    """``.gz``, ``.zst``, ``.bz2`` or ``.xz`` by the ending of the name, else by the first bytes.

    ``None``: not compressed.
    """
    suffix = file.suffix.lower()
    if suffix in COMPRESSED:
        return suffix
    with file.open("rb") as handle:
        start = handle.read(8)
    return next((kind for kind, magic in COMPRESSED.items() if start.startswith(magic)), None)


def open_bytes(file: Path) -> BinaryIO:
    """The bytes of a file, unpacked when it is compressed."""
    kind = get_compression(file)
    if kind is None:
        return file.open("rb")
    return cast(BinaryIO, io.BufferedReader(_Guarded(file, kind, _get_opener(kind)(file))))


def _get_opener(kind: str) -> Callable[[Path], BinaryIO]:
    if kind == ".gz":
        import gzip

        return lambda file: cast(BinaryIO, gzip.open(file, "rb"))
    if kind == ".bz2":
        import bz2

        return lambda file: cast(BinaryIO, bz2.open(file, "rb"))
    if kind == ".xz":
        import lzma

        return lambda file: cast(BinaryIO, lzma.open(file, "rb"))
    import zstandard

    return lambda file: cast(BinaryIO, zstandard.open(file, "rb"))


class _Guarded(io.RawIOBase):
    """A decompressor that reports damage as a GaslampError and stops a decompression bomb."""

    def __init__(self, file: Path, kind: str, inner: BinaryIO) -> None:
        self._file, self._kind, self._inner = file, kind, inner
        self._done, self._size = 0, max(1, file.stat().st_size)

    def readable(self) -> bool:
        """Always: see ``io.RawIOBase``."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        import lzma
        import zlib

        again = "download or compress it again"
        try:
            data = self._inner.read(len(buffer))
        except EOFError as error:
            raise GaslampError(f"{self._file} is cut off: its compressed data ends too early", again) from error
        except (OSError, zlib.error, lzma.LZMAError) as error:
            raise GaslampError(f"{self._file} is damaged or no {self._kind} file: {error}", again) from error
        except Exception as error:  # zstandard.ZstdError, without importing it for gzip
            if type(error).__name__ != "ZstdError":
                raise
            raise GaslampError(f"{self._file} is damaged or no {self._kind} file: {error}", again) from error
        self._done += len(data)
        if self._done > 100e6 and self._done > limits.MAX_RATIO * self._size:
            raise GaslampError(
                f"{self._file} unpacks to more than {limits.MAX_RATIO} times its size: no text does that",
                "this is not a data set; do not open it with other programs",
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file underneath too."""
        self._inner.close()
        super().close()


class Utf8(io.RawIOBase):
    """The bytes of a text file as UTF-8, whatever its encoding.

    Bytes that are UTF-8 pass unchanged. A byte-order mark, or the first bytes that are not UTF-8, decide on another
    encoding, which is noted. Bytes that are wrong in a file that is otherwise UTF-8 are an error of their line.

    Attributes:
        changed: whether bytes were converted; until then an offset here is an offset in the (unpacked) file.
    """

    def __init__(self, reading: Reading, *, lets_through: bool = False) -> None:
        """``lets_through``: wrong bytes in UTF-8 are no error here; the parser reports each line that has some."""
        self.changed = False
        self._reading, self._lets_through = reading, lets_through
        self._inner = open_bytes(reading.file)
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._other: codecs.IncrementalDecoder | None = None
        self._pending, self._started, self._ended, self._lines, self._seen = b"", False, False, 1, False
        if reading.options.encoding:
            self._switch(reading.options.encoding, "as data.encoding says")

    def readable(self) -> bool:
        """Always: see ``io.RawIOBase``."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Fill ``buffer`` with converted bytes; returns how many, 0 at the end."""
        while not self._pending and not self._ended:
            block = self._inner.read(limits.CHUNK)
            self._ended = not block
            self._pending = self._convert(block)
        part = self._pending[: len(buffer)]
        self._pending = self._pending[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Close the file underneath too."""
        self._inner.close()
        super().close()

    def _switch(self, encoding: str, why: str) -> None:
        if codecs.lookup(encoding).name == "utf-8":
            return
        self.changed, self._other = True, codecs.getincrementaldecoder(encoding)()
        self._reading.note(f"read as {encoding} ({why})")

    def _convert(self, block: bytes) -> bytes:
        if not self._started:
            self._started = True
            mark = next(((mark, name) for mark, name in MARKS if block.startswith(mark)), None)
            if mark and not self._other:
                self._switch(mark[1], "its byte-order mark says so")
                block = block[len(mark[0]) :]
            elif not self._other and (name := _find_utf16(block)):
                self._switch(name, "every other byte is zero")
        if self._other:
            return self._decode(block)
        if self._lets_through and self._seen:
            return block  # known to be UTF-8; the parser looks at each line itself
        if block.isascii() and not self._utf8.getstate()[0]:
            self._lines += block.count(b"\n")
            return block
        held = self._utf8.getstate()[0]
        try:
            self._utf8.decode(block, not block)
            self._lines += block.count(b"\n")
            self._seen = True
            return block
        except UnicodeDecodeError as error:
            if self._lets_through and is_valid_utf8_mostly(held + block):
                self._seen = True
                return block
            if self._seen or held or is_valid_utf8_mostly(block):
                raise self._get_error(error) from error
            encoding = detect_encoding(block)
            if encoding is None:
                raise self._get_error(error) from error
            self._switch(
                encoding,
                f"it is not UTF-8; if letters look wrong, set data.encoding or save {self._reading.name} as UTF-8",
            )
            return self._decode(block)

    def _decode(self, block: bytes) -> bytes:
        assert self._other is not None
        try:
            text = self._other.decode(block, not block)
        except UnicodeDecodeError as error:
            raise self._get_error(error) from error
        self._lines += text.count("\n")
        return text.encode("utf-8", "surrogatepass")

    def _get_error(self, error: UnicodeDecodeError) -> GaslampError:
        line = self._lines + error.object[: error.start].count(b"\n")
        return GaslampError(
            f"{self._reading.title}, line {line}: byte 0x{error.object[error.start]:02x} is not "
            f"{error.encoding.upper()}",
            "fix that line, or save the file again as UTF-8; data.encoding names another encoding",
            "it is no text file: check what it is with `file`",
        )


def _find_utf16(block: bytes) -> str | None:
    """UTF-16 without a byte-order mark: of mostly Western text every other byte is zero."""
    part = block[:2000]
    if len(part) < 4 or b"\0" not in part:
        return None
    even, odd = part[0::2].count(0), part[1::2].count(0)
    half = len(part) // 2
    if odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.3 * half and odd < 0.05 * half else None


def open_utf8(reading: Reading) -> io.BufferedReader:
    """The bytes of a text file as UTF-8, whatever its encoding."""
    raw: io.RawIOBase = Utf8(reading)
    return io.BufferedReader(raw, limits.CHUNK)  # type: ignore[type-var]


def open_text(reading: Reading, newline: str = "") -> io.TextIOWrapper:
    """The characters of a text file, whatever its encoding; a byte-order mark at the start is left out."""
    return io.TextIOWrapper(open_utf8(reading), encoding="utf-8-sig", newline=newline)


def read_text_head(reading: Reading, size: int = limits.HEAD) -> tuple[str, bool]:
    """The first characters of a text file, and whether that is all of it; a line that the limit cuts is left out."""
    with open_text(reading) as handle:
        text = handle.read(size)
        whole = not handle.read(1)
    if not whole and (cut := text.rfind("\n") + 1):
        text = text[:cut]
    return text, whole

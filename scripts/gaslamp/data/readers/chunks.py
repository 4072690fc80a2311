"""A chunk: consecutive rows of one file, not parsed yet.

A chunk is small and can be pickled. The process that reads a file only finds where its rows end; any process can
parse them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Problem = tuple[str, str, str]
"""Place, what is wrong, and how to fix it ("" where the advice of the check fits)."""

Numbered = tuple[int, dict[str, Any]]
"""A row with its number: a line, an item, a row or a page of its file."""


_LINES = 32  # bits


def pack_place(row: int, line: int) -> int:
    """The number of a row of a table whose cells may hold line ends: its line and, where it differs, its row."""
    return line if row == line else row << _LINES | line


def write_place(label: str, number: int) -> str:
    """``orders.csv, line 62 (row 41)``.

    Args:
        label: of a chunk.
        number: of a row in it, maybe packed.
    """
    row = number >> _LINES
    return f"{label} {number & (1 << _LINES) - 1} (row {row})" if row else f"{label} {number}"


@dataclass(frozen=True)
class Chunk:
    """Some consecutive rows of one file.

    Attributes:
        parse: the module-level function that makes rows of ``payload``; what it cannot read goes to its second
            argument.
        label: "orders.csv, line": with the number of a row behind it, it is the place of that row.
        first: number of the first row (JSON lines: of the first line), where rows count one by one.
        payload: what ``parse`` takes.
        split: train, valid or test when the name of the file says so.
        problems: what the reader found itself.
    """

    parse: Callable[[Chunk, list[Problem]], Iterator[Numbered]]
    label: str
    first: int
    payload: Any
    split: str | None = None
    problems: tuple[Problem, ...] = ()

    def read(self, problems: list[Problem]) -> Iterator[Numbered]:
        """The rows with their numbers; what cannot be read goes to ``problems``."""
        problems.extend(self.problems)
        return self.parse(self, problems)


def parse_rows(chunk: Chunk, problems: list[Problem]) -> Iterator[Numbered]:
    """Rows that are parsed already: the payload is [(number, row)]."""
    return iter(chunk.payload)


def parse_table(chunk: Chunk, problems: list[Problem]) -> Iterator[Numbered]:
    """Rows of a table: the payload is (column names, [(number, cells)])."""
    header, rows = chunk.payload
    for number, cells in rows:
        yield number, dict(zip(header, cells, strict=True))


@dataclass(frozen=True)
class Options:
    """What the user says about the files, where looking at them is not enough.

    Attributes:
        sheet: name of the sheet of a workbook, of the member of an archive, or of the list in a JSON object.
        header: whether the first row of a table holds the names of its columns; ``None``: decided by its cells.
        encoding: of text files; ``None``: decided by their bytes.
    """

    sheet: str | None = None
    header: bool | None = None
    encoding: str | None = None


@dataclass
class Reading:
    """One file that is being read.

    Attributes:
        file: where it is.
        name: how places and messages name it.
        split: which split its rows belong to, when its name says so.
        options: what the user says about it.
        is_unpacked: whether the file was unpacked from an archive, so that its path says nothing to the user.
        notes: how it was understood, one sentence each, where that is not obvious; they are logged and shown on the
            data page.
    """

    file: Path
    name: str
    split: str | None = None
    options: Options = field(default_factory=Options)
    notes: list[str] = field(default_factory=list)
    is_unpacked: bool = False

    @property
    def title(self) -> str:
        """How an error about the whole file names it: by its path, or by its place in an archive."""
        return self.name if self.is_unpacked else str(self.file)

    def note(self, text: str) -> None:
        """Record how the file was understood, once."""
        sentence = f"{self.name}: {text}"
        if sentence not in self.notes:
            self.notes.append(sentence)

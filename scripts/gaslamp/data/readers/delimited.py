"""Tables of text: CSV with any separator, title lines, no header, quoted line ends."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Problem, Reading, pack_place, parse_table, write_place
from gaslamp.data.readers.layout import (
    SAMPLE,
    Layout,
    check_same_order,
    describe_repeated,
    find_layout,
    is_blank,
    is_header_again,
    refuse_other_header,
    trim,
)
from gaslamp.data.readers.opening import open_text, read_text_head

SEPARATORS = (",", ";", "\t", "|")
SPACED = "blanks in front of quoted cells are left out"
NONE = "\x1f"
"""A character that no text has: the whole line is one cell."""


class Dialect(NamedTuple):
    """How cells are quoted.

    Attributes:
        quote: the mark around a cell.
        skips: whether blanks stand between a separator and the mark.
    """

    quote: str = '"'
    skips: bool = False


PLAIN = Dialect()


def read_csv(reading: Reading, separator: str | None = None) -> Iterator[Chunk]:
    """The rows of a table of text.

    Args:
        reading: the file.
        separator: between cells; ``None``: found by the first rows.

    Raises:
        GaslampError: the file is empty, is no text, or two columns have the same name.
    """
    head, whole = read_text_head(reading)
    if not head.strip():
        raise GaslampError(f"{reading.title} is empty", "put rows into it, or set data.source to another file")
    if "\0" in head:
        line = head[: head.index("\0")].count("\n") + 1
        raise GaslampError(
            f"{reading.title}, line {line}: a NUL byte: this is no text",
            "export the table again as CSV UTF-8",
            "remove them: tr -d '\\000'",
        )
    marked = get_separator_line(head)
    separator = marked or find_separator(head, whole, separator)
    skipped = 1 if marked else 0
    csv.field_size_limit(limits.MAX_LINE)
    dialect = find_dialect(head, separator)
    if dialect is not PLAIN:
        reading.note(f"its cells stand in {dialect.quote}, which is left out" if not dialect.skips else SPACED)
    sample = sample_rows(head, whole, separator, dialect)[skipped:]
    layout = find_layout(sample, reading)
    if len(layout.header) == 1 and any(len(trim(cells)) > 1 for cells in sample) and '"' not in head:
        separator, dialect = NONE, PLAIN
        sample = sample_rows(head, whole, separator)[skipped:]
        layout = find_layout(sample, reading)
        reading.note(f"one column, {layout.header[0]}: the separators in its rows are part of their text")
    yield from _read_rows(reading, separator, dialect, skipped + layout.skip, layout)


def find_dialect(text: str, separator: str) -> Dialect:
    """How cells are quoted, by the first lines.

    Args:
        text: the first lines of the file.
        separator: between cells.
    """
    lines = [line for line in text.splitlines() if line.strip()][1:]
    if separator == NONE or len(lines) < 2:
        return PLAIN
    part = re.escape(separator)
    single = sum(re.search(rf"(?:^|{part})'.*'\s*(?:{part}|$)", line) is not None for line in lines)
    if single >= 0.8 * len(lines) and not any(re.search(rf'(?:^|{part})"', line) for line in lines):
        return Dialect("'")
    spaced = sum(re.search(rf'{part} +"', line) is not None for line in lines)
    tight = sum(re.search(rf'{part}"', line) is not None for line in lines)
    return Dialect(skips=True) if spaced >= 2 and not tight else PLAIN


def get_separator_line(text: str) -> str | None:
    """The separator that a first line ``sep=;`` names, as Excel writes and reads it."""
    match = re.match(r'"?sep=(.)"?\s*(?:\r?\n|\r|$)', text, re.IGNORECASE)
    return match[1] if match else None


def sample_rows(text: str, whole: bool, separator: str, dialect: Dialect = PLAIN) -> list[list[object]]:
    """The cells of the first rows, as far as they can be read; the last one is left out when the text is cut."""
    lines = iter(text.splitlines(keepends=True)) if "\r\n" not in text else iter(re.split(r"(?<=\n)", text))
    reader = csv.reader(lines, delimiter=separator, quotechar=dialect.quote, skipinitialspace=dialect.skips)
    rows: list[list[object]] = []
    with contextlib.suppress(csv.Error):  # the reading names the line
        for row in islice(reader, SAMPLE + 20):
            rows.append([*row])
    return rows if whole or len(rows) < 2 else rows[:-1]


def find_separator(text: str, whole: bool = True, given: str | None = None) -> str:
    """The separator that divides most of the first rows into the same number of cells.

    A comma inside sentences divides them into different numbers, so the separator of the header wins.
    """
    best, found = (0.0, 0.0), given or ","
    for separator in (given,) if given else SEPARATORS:
        sizes = [(len(trim(cells)), cells) for cells in sample_rows(text, whole, separator)]
        rows = [cells[:filled] for filled, cells in sizes if filled]
        counts = {  # an empty cell at the end may be a value that is missing, or a separator too much
            size: sum(0 < filled <= size <= len(cells) for filled, cells in sizes)
            for size in {filled for filled, _ in sizes if filled > 1}
        }
        if not counts:
            continue
        size, count = max(counts.items(), key=lambda item: (item[1], item[0]))
        header = next((cells for cells in rows if len(cells) > 1), [])
        score = (
            count / len(rows) + (0.3 if len(header) == size else 0.0) + (0.3 if len(rows[0]) == size else 0.0),
            0.0,
        )
        if score > best:
            best, found = score, separator
    return found


def _read_rows(reading: Reading, separator: str, dialect: Dialect, skip: int, layout: Layout) -> Iterator[Chunk]:
    header, label = layout.header, f"{reading.name}, line"
    rows: list[tuple[int, list[str]]] = []
    problems: list[Problem] = []
    size, index, width = 0, -1, len(header)
    repeated: list[int] = []
    is_below = False  # whether the lines above are empty, or a title below empty ones
    with open_text(reading) as handle:
        quote, skips = dialect
        reader = csv.reader(handle, delimiter=separator, quotechar=quote, skipinitialspace=skips, strict=True)
        while True:
            before = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                index += 1
                problems.append(
                    (
                        f"{label} {before + 1}",
                        f"{error} (a quote that is opened must be closed, one inside is doubled)",
                        "",
                    )
                )
                continue
            index += 1
            if index < skip or (index == skip and layout.has_header):
                continue
            if not any(map(str.strip, cells)):
                is_below = True
                continue
            if is_below and len(cells) > 1:
                is_below = False
                if not is_header_again(cells, header):
                    refuse_other_header(reading, reader.line_num, cells, layout)
            if layout.has_header and width > 1 and is_header_again(cells, header):
                check_same_order(reading, reader.line_num, cells, header)
                repeated.append(reader.line_num)
                continue
            number = pack_place(index + 1, reader.line_num)
            if len(cells) != width:
                if len(cells) > width and all(is_blank(cell) for cell in cells[width:]):
                    cells = cells[:width]
                elif not layout.has_header and len(cells) < width:
                    cells = [*cells, *[""] * (width - len(cells))]
                else:
                    problems.append(_get_ragged(label, number, cells, header))
                    continue
            rows.append((number, cells))
            size += sum(map(len, cells))
            if len(rows) + len(problems) >= limits.BATCH or size > 4 * limits.CHUNK:
                yield Chunk(parse_table, label, 0, (header, rows), reading.split, tuple(problems))
                rows, problems, size = [], [], 0
    if repeated:
        reading.note(describe_repeated(repeated, "line"))
    yield Chunk(parse_table, label, 0, (header, rows), reading.split, tuple(problems))


def _get_ragged(label: str, number: int, cells: list[str], header: list[str]) -> Problem:
    fix = "put quotes around a cell that holds the separator or a line end" if len(cells) > len(header) else ""
    return write_place(label, number), f"{len(cells)} cells, but the header has {len(header)}", fix

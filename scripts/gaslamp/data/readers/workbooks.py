"""Spreadsheets: .xlsx, .xls, .xlsb and .ods, a sheet as a table."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Problem, Reading, parse_table
from gaslamp.data.readers.layout import (
    SAMPLE,
    Cells,
    Layout,
    check_same_order,
    describe_repeated,
    find_layout,
    is_blank,
    is_header_again,
    trim,
)
from gaslamp.data.readers.splits import are_obeyed, get_file_split

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook


def read_workbook(reading: Reading) -> Iterator[Chunk]:
    """The rows of the sheet that is meant; sheets called train, valid and test are splits.

    Raises:
        GaslampError: the file is damaged or locked, the sheet is not there, or several have rows and none is named.
    """
    import python_calamine

    try:
        with python_calamine.load_workbook(str(reading.file)) as book:
            sheets = _choose_sheets(book, reading)
            for name, rows in sheets:
                split = get_file_split(Path(name)) if len(sheets) > 1 else None
                yield from _read_sheet(name, rows, reading, split, several=len(book.sheet_names) > 1)
    except python_calamine.PasswordError as error:
        raise GaslampError(
            f"{reading.title} is locked by a password", "save it without one, or export the sheet as CSV"
        ) from error
    except (python_calamine.CalamineError, OSError) as error:
        raise GaslampError(
            f"{reading.title} is not a readable spreadsheet: {str(error)[:200]}",
            "open it and save it again, or export the sheet as CSV UTF-8",
        ) from error


def _choose_sheets(book: CalamineWorkbook, reading: Reading) -> list[tuple[str, list[Cells]]]:
    wanted, names = reading.options.sheet, list(book.sheet_names)
    if wanted is not None:
        found = next((name for name in names if name == wanted), None) or next(
            (name for name in names if name.strip().lower() == wanted.strip().lower()), None
        )
        if found is None:
            raise GaslampError(
                f"{reading.title} has no sheet '{wanted}'", f"set data.sheet to one of: {', '.join(names)}"
            )
        return [(found, _get_cells(book.get_sheet_by_name(found)))]
    sheets = [(name, _get_cells(book.get_sheet_by_name(name))) for name in names]
    filled = [(name, rows) for name, rows in sheets if sum(1 for row in rows if trim(row)) > 1]
    if not filled:
        raise GaslampError(f"{reading.title} is empty", "put rows into a sheet, or set data.source to another file")
    if len(filled) == 1 or are_obeyed([get_file_split(Path(name)) for name, _ in filled]):
        if len(names) > len(filled):
            reading.note(f"read from the sheet {', '.join(name for name, _ in filled)}; the others have no rows")
        return filled
    described = []
    sizes = {}
    for name, rows in filled:
        layout = find_layout(rows[: 2 * SAMPLE], Reading(reading.file, name, options=reading.options))
        count = sum(1 for row in rows[layout.skip + layout.has_header :] if trim(row))
        sizes[name] = count
        described.append(f"\n    {name}: {count} rows of {', '.join(layout.header)[:100]}")
    largest = max(sizes, key=lambda name: sizes[name])
    raise GaslampError(
        f"{reading.title} has {len(filled)} sheets with rows:{''.join(described)}",
        f"say which is meant: data.sheet: {json.dumps(largest, ensure_ascii=False)} in config.yaml "
        f"(or data.source: {reading.file.name}#{largest})",
        "their rows belong together: copy them to one sheet",
    )


def _get_cells(sheet: CalamineSheet) -> list[Cells]:
    """The rows of a sheet from its first cell on; a merged cell stands in each of its rows."""
    rows: list[Cells] = [[_get_value(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        if bottom > top and left == right and bottom < len(rows):
            for row in range(top + 1, bottom + 1):
                if left < len(rows[row]) and is_blank(rows[row][left]):
                    rows[row][left] = rows[top][left]
    return rows


def _get_value(cell: object) -> object:
    """A cell as JSON can hold it: whole numbers as such, dates as text."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    if isinstance(cell, datetime.datetime):
        has_time = (cell.hour, cell.minute, cell.second, cell.microsecond) != (0, 0, 0, 0)
        return str(cell) if has_time else str(cell.date())
    if isinstance(cell, datetime.date | datetime.time | datetime.timedelta):
        return str(cell)
    return cell


def _read_sheet(name: str, rows: list[Cells], reading: Reading, split: str | None, several: bool) -> Iterator[Chunk]:
    label = f"{reading.name}, sheet {name}, row" if several else f"{reading.name}, row"
    left = min((next(at for at, cell in enumerate(row) if not is_blank(cell)) for row in rows if trim(row)), default=0)
    rows = [row[left:] for row in rows]
    layout: Layout = find_layout(rows, reading, "row")
    width = len(layout.header)
    kept: list[tuple[int, Cells]] = []
    problems: list[Problem] = []
    repeated: list[int] = []
    for number, row in enumerate(rows[layout.skip + layout.has_header :], layout.skip + layout.has_header + 1):
        cells = trim(row)
        if not cells:
            continue
        if layout.has_header and width > 1 and is_header_again(cells, layout.header):
            check_same_order(reading, number, cells, layout.header, "row")
            repeated.append(number)
            continue
        if len(cells) > width:
            problems.append(
                (
                    f"{label} {number}",
                    f"a value stands right of the last column: {str(cells[-1])[:60]!r}",
                    "give its column a name, or delete it",
                )
            )
            continue
        kept.append((number, [*cells, *[""] * (width - len(cells))]))
        if len(kept) >= limits.BATCH:
            yield Chunk(parse_table, label, 0, (layout.header, kept), split or reading.split, tuple(problems))
            kept, problems = [], []
    if repeated:
        reading.note(describe_repeated(repeated, "row"))
    yield Chunk(parse_table, label, 0, (layout.header, kept), split or reading.split, tuple(problems))

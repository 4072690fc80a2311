"""Spreadsheets: .xlsx, .xls, .xlsb and .ods, a sheet as a table."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass
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
    refuse_other_header,
    trim,
)
from gaslamp.data.readers.sheet_facts import Cell, SheetFacts, list_cells, list_rows, name_cell, name_column, read_facts
from gaslamp.data.readers.splits import are_obeyed, get_file_split

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

NOT_CALCULATED = "a formula that was never calculated"
SAVE_IT = "open the file in Excel or LibreOffice and save it: then its values stand in it"


def read_workbook(reading: Reading) -> Iterator[Chunk]:
    """The rows of the sheet that is meant; sheets called train, valid and test are splits.

    Raises:
        GaslampError: the file is damaged or locked, the sheet is not there, or several have rows and none is named.
    """
    import python_calamine

    try:
        with python_calamine.load_workbook(str(reading.file)) as book:
            sheets = _choose_sheets(book, reading)
            for sheet in sheets:
                split = get_file_split(Path(sheet.name)) if len(sheets) > 1 else None
                yield from _read_sheet(sheet, reading, split, several=len(book.sheet_names) > 1)
    except python_calamine.PasswordError as error:
        raise GaslampError(
            f"{reading.title} is locked by a password", "save it without one, or export the sheet as CSV"
        ) from error
    except (python_calamine.CalamineError, OSError) as error:
        raise GaslampError(
            f"{reading.title} is not a readable spreadsheet: {str(error)[:200]}",
            "open it and save it again, or export the sheet as CSV UTF-8",
        ) from error


@dataclass
class Sheet:
    """One sheet: its cells from A1 on, and what its file says about them besides."""

    name: str
    rows: list[Cells]
    facts: SheetFacts
    merged: list[tuple[Cell, Cell]]
    dates: set[int]  # columns

    @property
    def has_rows(self) -> bool:
        """Whether it has more than one row that holds something."""
        calculated = {row for row, _ in self.facts.formulas}
        return sum(1 for number, row in enumerate(self.rows) if number in calculated or trim(row)) > 1


def _choose_sheets(book: CalamineWorkbook, reading: Reading) -> list[Sheet]:
    import python_calamine

    wanted, names = reading.options.sheet, list(book.sheet_names)
    facts = read_facts(reading.file)
    if wanted is not None:
        found = next((name for name in names if name == wanted), None) or next(
            (name for name in names if name.strip().lower() == wanted.strip().lower()), None
        )
        if found is None:
            raise GaslampError(
                f"{reading.title} has no sheet '{wanted}'", f"set data.sheet to one of: {', '.join(names)}"
            )
        return [_open_sheet(book, found, facts)]
    hidden = {one.name for one in book.sheets_metadata if one.visible != python_calamine.SheetVisibleEnum.Visible}
    filled = [sheet for name in names if (sheet := _open_sheet(book, name, facts)).has_rows]
    visible = [sheet for sheet in filled if sheet.name not in hidden]
    if visible and len(visible) < len(filled):
        left = ", ".join(sheet.name for sheet in filled if sheet.name in hidden)
        reading.note(f"hidden sheets are not read: {left} (data.sheet reads one)")
        filled = visible
    elif filled and not visible:
        reading.note("its sheets with rows are hidden; they are read all the same")
    if not filled:
        raise GaslampError(f"{reading.title} is empty", "put rows into a sheet, or set data.source to another file")
    if len(filled) == 1 or are_obeyed([get_file_split(Path(sheet.name)) for sheet in filled]):
        if len(names) > len(filled) + len(hidden):
            read = ", ".join(sheet.name for sheet in filled)
            reading.note(f"read from the sheet {read}; the others have no rows")
        return filled
    described = []
    sizes = {}
    for sheet in filled:
        name, rows = sheet.name, sheet.rows
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


def _open_sheet(book: CalamineWorkbook, name: str, known: dict[str, SheetFacts]) -> Sheet:
    """A sheet with its cells as they are shown; a merged cell stands in each of its rows."""
    sheet, facts = book.get_sheet_by_name(name), known.get(name, SheetFacts())
    dates: set[int] = set()
    rows: list[Cells] = []
    for cells in sheet.to_python(skip_empty_area=False):
        rows.append([_get_value(cell) for cell in cells])
        dates.update(at for at, cell in enumerate(cells) if isinstance(cell, datetime.date))
    for row, column in facts.formulas:  # what has no value is no part of the sheet to a reader of values
        rows += [[] for _ in range(row + 1 - len(rows))]
        rows[row] += [""] * (column + 1 - len(rows[row]))
    for (row, column), text in facts.shown.items():
        if row < len(rows) and column < len(rows[row]) and not is_blank(rows[row][column]):
            rows[row][column] = text
    merged = list(sheet.merged_cell_ranges or ())
    for (top, left), (bottom, right) in merged:
        if bottom > top and left == right and bottom < len(rows):
            for row in range(top + 1, bottom + 1):
                if left < len(rows[row]) and is_blank(rows[row][left]):
                    rows[row][left] = rows[top][left]
    return Sheet(name, rows, facts, merged, dates)


def _get_value(cell: object) -> object:
    """A cell as JSON can hold it: whole numbers as such, others to the 15 digits that a cell has, dates as text."""
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < 2**53 else float(f"{cell:.15g}")
    if isinstance(cell, datetime.datetime):
        has_time = (cell.hour, cell.minute, cell.second, cell.microsecond) != (0, 0, 0, 0)
        return str(cell) if has_time else str(cell.date())
    if isinstance(cell, datetime.date | datetime.time | datetime.timedelta):
        return str(cell)
    return cell


def _note_cells(sheet: Sheet, start: int, reading: Reading) -> None:
    """Say what a person sees in the sheet and would not expect in its rows.

    Args:
        sheet: to be read.
        start: its first row below the header, from 0.
        reading: takes the notes.

    Raises:
        GaslampError: names of columns are formulas that were never calculated.
    """
    facts = sheet.facts
    if above := {cell for cell in facts.formulas if cell[0] < start}:
        raise GaslampError(f"{reading.title}: the header is {NOT_CALCULATED} ({list_cells(above)})", SAVE_IT)
    examples: dict[int, str] = {}
    for (row, column), text in facts.shown.items():
        if row >= start:
            examples.setdefault(column, text)
    if examples:
        shown = ", ".join(f"{name_column(column)} ({text})" for column, text in sorted(examples.items())[:8])
        reading.note(f"numbers are read as their cells show them: {shown}")
    if sheet.dates:
        names = ", ".join(map(name_column, sorted(sheet.dates)))
        reading.note(f"dates are written as year-month-day, whatever their cells show: column {names}")
    if errors := {cell for cell in facts.errors if cell[0] >= start}:
        first = facts.errors[min(errors)]
        reading.note(f"cells with errors are read as empty: {list_cells(errors)} ({first})")
    if rows := [row for row in facts.hidden_rows if start <= row < len(sheet.rows) and trim(sheet.rows[row])]:
        reading.note(
            f"hidden rows are read like the others: {list_rows(rows)}; to leave them out, copy the visible rows to a "
            "sheet of their own"
        )
    width = max((len(row) for row in sheet.rows), default=0)
    if columns := sorted(column for column in facts.hidden_columns if column < width):
        reading.note(f"hidden columns are read like the others: {', '.join(map(name_column, columns))}")
    if merged := [(one, last) for one, last in sheet.merged if last[0] >= start]:
        tall = [f"{name_cell(one)}:{name_cell(last)}" for one, last in merged if one[1] == last[1]]
        wide = [f"{name_cell(one)}:{name_cell(last)}" for one, last in merged if one[1] != last[1]]
        if tall:
            reading.note(f"merged cells: their value stands in each of their rows ({', '.join(tall[:8])})")
        if wide:
            reading.note(f"merged cells: their value stands in their first cell alone ({', '.join(wide[:8])})")


def _read_sheet(sheet: Sheet, reading: Reading, split: str | None, several: bool) -> Iterator[Chunk]:
    rows = sheet.rows
    label = f"{reading.name}, sheet {sheet.name}, row" if several else f"{reading.name}, row"
    left = min((next(at for at, cell in enumerate(row) if not is_blank(cell)) for row in rows if trim(row)), default=0)
    rows = [row[left:] for row in rows]
    layout: Layout = find_layout(rows, reading, "row")
    width = len(layout.header)
    start = layout.skip + layout.has_header
    _note_cells(sheet, start, reading)
    formulas: dict[int, set[Cell]] = {}
    for cell in sheet.facts.formulas:
        formulas.setdefault(cell[0] + 1, set()).add(cell)
    kept: list[tuple[int, Cells]] = []
    problems: list[Problem] = []
    repeated: list[int] = []
    is_below = False  # whether the rows above are empty, or a title below empty ones
    for number, row in enumerate(rows[start:], start + 1):
        cells = trim(row)
        if number in formulas:
            problems.append((f"{label} {number}", f"{NOT_CALCULATED} ({list_cells(formulas[number])})", SAVE_IT))
            continue
        if not cells:
            is_below = True
            continue
        if is_below and len(cells) > 1:
            is_below = False
            if not is_header_again(cells, layout.header):
                refuse_other_header(reading, number, cells, layout, "row")
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

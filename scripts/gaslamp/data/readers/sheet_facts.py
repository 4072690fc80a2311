"""What the files of .xlsx and .ods say about their cells besides the values.

How a number is shown, formulas that were never calculated, errors, hidden rows and columns.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

from gaslamp.data.readers.number_formats import BUILT_IN, show_number

Cell = tuple[int, int]
"""Row and column, from 0."""
MOST_COLUMNS = 16_384
LARGEST = 1_048_576  # rows of a sheet; what is said to be repeated more often is empty


@dataclass
class SheetFacts:
    """What is noticed in one sheet.

    Attributes:
        shown: cell -> its text, where that is not the stored number.
        formulas: cells with a formula whose value was never calculated.
        errors: cell -> ``#N/A``, ``#REF!`` ...
        hidden_rows, hidden_columns: from 0.
    """

    shown: dict[Cell, str] = field(default_factory=dict)
    formulas: set[Cell] = field(default_factory=set)
    errors: dict[Cell, str] = field(default_factory=dict)
    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: set[int] = field(default_factory=set)


def name_cell(cell: Cell) -> str:
    """``C2`` for (1, 2)."""
    return f"{name_column(cell[1])}{cell[0] + 1}"


def name_column(number: int) -> str:
    """``AB`` for 27."""
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def read_facts(file: Path) -> dict[str, SheetFacts]:
    """The facts of each sheet by its name; empty for a workbook of another kind, or one that is damaged."""
    try:
        with zipfile.ZipFile(file) as packed:
            names = set(packed.namelist())
            if "content.xml" in names:
                return _read_ods(packed)
            return _read_xlsx(packed) if "xl/workbook.xml" in names else {}
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, ValueError, OSError, RuntimeError):
        return {}  # the reader of the values says what is wrong


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _get(element: ElementTree.Element, name: str) -> str | None:
    """An attribute, whatever its namespace."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), None)


def _iterate(packed: zipfile.ZipFile, name: str, wanted: str) -> Iterator[ElementTree.Element]:
    """The elements of one name, each freed when the next one comes."""
    with packed.open(name) as handle:
        stack: list[ElementTree.Element] = []
        for event, element in ElementTree.iterparse(handle, ("start", "end")):
            if event == "start":
                stack.append(element)
                continue
            stack.pop()
            if _local(element) == wanted:
                yield element
                if stack:
                    stack[-1].remove(element)


# ---------------------------------------------------------------------------------------------------------------- xlsx


def _read_xlsx(packed: zipfile.ZipFile) -> dict[str, SheetFacts]:
    links = {
        _get(link, "Id"): _get(link, "Target")
        for link in _iterate(packed, "xl/_rels/workbook.xml.rels", "Relationship")
    }
    book = ElementTree.fromstring(packed.read("xl/workbook.xml"))
    codes = _read_codes(packed)
    recalculates = any(_local(one) == "calcPr" and _get(one, "fullCalcOnLoad") in ("1", "true") for one in book.iter())
    result = {}
    for sheet in (one for one in book.iter() if _local(one) == "sheet"):
        target = (links.get(next((v for k, v in sheet.attrib.items() if k.endswith("}id")), "")) or "").lstrip("/")
        path = target if target.startswith("xl/") else f"xl/{target}"
        if path in packed.namelist():
            result[sheet.attrib.get("name", "")] = _read_sheet(packed, path, codes, recalculates)
    return result


def _read_codes(packed: zipfile.ZipFile) -> list[str]:
    """The number format of each cell style."""
    if "xl/styles.xml" not in packed.namelist():
        return []
    root = ElementTree.fromstring(packed.read("xl/styles.xml"))
    own = {_get(one, "numFmtId"): _get(one, "formatCode") or "" for one in root.iter() if _local(one) == "numFmt"}
    styles = next((one for one in root.iter() if _local(one) == "cellXfs"), None)
    numbers = [_get(one, "numFmtId") or "0" for one in styles] if styles is not None else []
    return [own.get(number) or BUILT_IN.get(int(number), "General") for number in numbers]


def _read_sheet(packed: zipfile.ZipFile, path: str, codes: list[str], recalculates: bool) -> SheetFacts:
    facts = SheetFacts()
    zeros: set[Cell] = set()
    calculated = 0
    at = -1
    for row in _iterate(packed, path, "row"):
        at = int(row.attrib["r"]) - 1 if "r" in row.attrib else at + 1
        if row.attrib.get("hidden") in ("1", "true"):
            facts.hidden_rows.append(at)
        column = -1
        for cell in row:
            column = _read_column(cell.attrib["r"]) if "r" in cell.attrib else column + 1
            kind, place = cell.attrib.get("t", "n"), (at, column)
            parts = {_local(part): part.text or "" for part in cell}
            value = parts.get("v", "").strip()
            if "f" in parts:
                calculated += 1
                if not value and kind != "str":
                    facts.formulas.add(place)
                    continue
                if value == "0" and recalculates:
                    zeros.add(place)
            if kind == "e":
                facts.errors[place] = value
            elif kind == "n" and value and (style := int(cell.attrib.get("s", "0"))) < len(codes):
                shown = show_number(float(value), codes[style])
                if shown is not None and shown != value:
                    facts.shown[place] = shown
    if zeros and len(zeros) == calculated:  # XlsxWriter writes 0 for every formula, and leaves it to Excel
        facts.formulas |= zeros
        facts.shown = {place: text for place, text in facts.shown.items() if place not in zeros}
    facts.hidden_columns = _read_hidden_columns(packed, path)
    return facts


def _read_column(reference: str) -> int:
    """27 for ``AB12``."""
    number = 0
    for letter in re.match(r"[A-Z]*", reference.upper())[0]:  # type: ignore[index]  # an empty match is one
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _read_hidden_columns(packed: zipfile.ZipFile, path: str) -> set[int]:
    with packed.open(path) as handle:
        head = handle.read(200_000).decode("utf-8", "replace").partition("<sheetData")[0]  # columns stand in front
    hidden: set[int] = set()
    for found in re.findall(r"<(?:\w+:)?col\b[^>]*>", head):
        values = dict(re.findall(r'(\w+)="([^"]*)"', found))
        if values.get("hidden") in ("1", "true"):
            hidden |= set(range(int(values["min"]) - 1, min(int(values["max"]), MOST_COLUMNS)))
    return hidden


# ----------------------------------------------------------------------------------------------------------------- ods


def _read_ods(packed: zipfile.ZipFile) -> dict[str, SheetFacts]:
    result: dict[str, SheetFacts] = {}
    facts, at, column = SheetFacts(), 0, 0
    with packed.open("content.xml") as handle:
        for event, one in ElementTree.iterparse(handle, ("start", "end")):
            kind = _local(one)
            if event == "start" and kind == "table":
                facts = result[_get(one, "name") or ""] = SheetFacts()
                at = column = 0
            if event == "start" or kind not in ("table-column", "table-row"):
                continue
            hides = _get(one, "visibility") in ("collapse", "filter")
            if kind == "table-column":
                count = int(_get(one, "number-columns-repeated") or 1)
                facts.hidden_columns |= set(range(column, column + count)) if hides and count < MOST_COLUMNS else set()
                column += count
                continue
            count = int(_get(one, "number-rows-repeated") or 1)
            cells = list(_read_ods_cells(one))
            one.clear()
            for row in range(at, at + count) if cells and count < LARGEST else ():
                _take_ods_row(facts, row, cells, hides)
            at += count
    return result


def _take_ods_row(facts: SheetFacts, row: int, cells: list[tuple[int, str, str]], hides: bool) -> None:
    if hides:
        facts.hidden_rows.append(row)
    for place, noticed, text in cells:
        if noticed == "shown":
            facts.shown[row, place] = text
        elif noticed == "formula":
            facts.formulas.add((row, place))
        elif noticed == "error":
            facts.errors[row, place] = text


def _read_ods_cells(row: ElementTree.Element) -> Iterator[tuple[int, str, str]]:
    """The filled cells of a row: column, what is noticed (``shown``, ``formula``, ``error`` or nothing), and a text."""
    at = 0
    for cell in row:
        if _local(cell) not in ("table-cell", "covered-table-cell"):
            continue
        count = int(_get(cell, "number-columns-repeated") or 1)
        text = "\n".join("".join(part.itertext()) for part in cell if _local(part) == "p")
        kind, value = _get(cell, "value-type"), _get(cell, "value")
        noticed = ""
        if _get(cell, "formula") is not None and value is None and not text and kind != "string":
            noticed = "formula"
        elif re.fullmatch(r"#[A-Z/0]+[!?]?|Err:\d+", text):
            noticed = "error"
        elif (
            value is not None and text and (kind in ("percentage", "currency") or re.fullmatch(r"0\d[\d /().-]*", text))
        ):
            noticed = "shown"
        if noticed or text or value is not None:
            yield from ((column, noticed, text) for column in range(at, at + min(count, MOST_COLUMNS)))
        at += count


def list_cells(cells: set[Cell], most: int = 8) -> str:
    """Some cells for a message: ``C2, C3, C4 ...``."""
    names = [name_cell(cell) for cell in sorted(cells)]
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


def list_rows(rows: list[int], most: int = 8) -> str:
    """Row numbers as a spreadsheet counts them, ranges joined: ``3, 5 to 9 ...``."""
    runs: list[list[int]] = []
    for row in sorted(rows):
        if runs and row == runs[-1][1] + 1:
            runs[-1][1] = row
        else:
            runs.append([row, row])
    names = [f"{first + 1}" if first == last else f"{first + 1} to {last + 1}" for first, last in runs]
    return ", ".join(chain(names[:most], ["..."] if len(names) > most else []))

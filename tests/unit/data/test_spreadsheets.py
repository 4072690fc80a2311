"""Spreadsheets: sheets by name, title lines, merged cells, numbers and dates as a person sees them."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.chunks import Options
from gaslamp.data.readers.files import read_chunks
from gaslamp.data.sources import open_source

Sheets = dict[str, list[Sequence[Any]]]
MAILS: list[Sequence[Any]] = [
    ("Subject", "Body", "Category"),
    *((f"Order {n}", f"Where is my order {n}?\nBest, Ana", ("shipping", "refund")[n % 2]) for n in range(12)),
]
ROWS = [dict(zip(MAILS[0], row, strict=True)) for row in MAILS[1:]]


def name_column(number: int) -> str:
    return chr(ord("A") + number)


def write_xlsx(file: Path, sheets: Sheets, merged: dict[str, list[str]] | None = None) -> Path:
    """A workbook as a spreadsheet program writes it: inline texts, numbers, dates by style 1."""
    names = list(sheets)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" '
            'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            for n in range(1, len(names) + 1)
        )
        out.writestr(
            "[Content_Types].xml",
            '<?xml version="1.0"?><Types '
            'xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
            'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override '
            'PartName="/xl/styles.xml" '
            f'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>{parts}</Types>',
        )
        kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        head = (
            '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        )
        out.writestr(
            "_rels/.rels",
            f'{head}<Relationship Id="r1" Type="{kind}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        links = "".join(
            f'<Relationship Id="r{n}" Type="{kind}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(names) + 1)
        )
        out.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{head}{links}<Relationship Id="s" Type="{kind}/styles" Target="styles.xml"/></Relationships>',
        )
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        listed = "".join(f'<sheet name="{escape(name)}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(names, 1))
        out.writestr(
            "xl/workbook.xml",
            f'<?xml version="1.0"?><workbook xmlns="{main}" xmlns:r="{kind}"><sheets>{listed}</sheets></workbook>',
        )
        out.writestr(
            "xl/styles.xml",
            f'<?xml version="1.0"?><styleSheet xmlns="{main}"><fonts count="1"><font/></fonts><fills '
            'count="1"><fill/></fills><borders count="1"><border/></borders><cellStyleXfs '
            'count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" '
            'applyNumberFormat="1"/></cellXfs></styleSheet>',
        )
        for number, name in enumerate(names, 1):
            rows = "".join(
                f'<row r="{r}">{"".join(write_cell(cell, f"{name_column(c)}{r}") for c, cell in enumerate(row))}</row>'
                for r, row in enumerate(sheets[name], 1)
            )
            spans = (merged or {}).get(name, [])
            cells = (
                "<mergeCells "
                f'count="{len(spans)}">{"".join(f"""<mergeCell ref="{span}"/>""" for span in spans)}</mergeCells>'
                if spans
                else ""
            )
            out.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{rows}</sheetData>{cells}</worksheet>',
            )
    return file


def write_cell(cell: Any, place: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, int | float):
        return f'<c r="{place}"><v>{cell}</v></c>'
    if isinstance(cell, datetime.date):
        days = (datetime.datetime(cell.year, cell.month, cell.day) - datetime.datetime(1899, 12, 30)).days
        return f'<c r="{place}" s="1"><v>{days}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(str(cell))}</t></is></c>'


def write_ods(file: Path, sheets: Sheets) -> Path:
    def cell(value: Any) -> str:
        if value is None:
            return "<table:table-cell/>"
        if isinstance(value, int | float):
            return (
                '<table:table-cell office:value-type="float" '
                f'office:value="{value}"><text:p>{value}</text:p></table:table-cell>'
            )
        lines = "".join(f"<text:p>{escape(line)}</text:p>" for line in str(value).split("\n"))
        return f'<table:table-cell office:value-type="string">{lines}</table:table-cell>'

    tables = "".join(
        "<table:table "
        f'table:name="{name}">'
        + "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for name, rows in sheets.items()
    )
    spaces = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"' for short in ("office", "table", "text")
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("mimetype", kind)
        out.writestr(
            "META-INF/manifest.xml",
            '<?xml version="1.0"?><manifest:manifest '
            'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry '
            f'manifest:full-path="/" manifest:media-type="{kind}"/><manifest:file-entry '
            'manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>',
        )
        out.writestr(
            "content.xml",
            '<?xml version="1.0"?><office:document-content '
            f"{spaces}><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>",
        )
    return file


def read(file: Path, notes: list[str] | None = None, sheet: str | None = None) -> list[dict[str, Any]]:
    problems: list[Any] = []
    rows = [row for chunk in read_chunks(file, Options(sheet=sheet), notes) for _, row in chunk.read(problems)]
    assert not problems
    return rows


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_a_sheet_is_a_table(tmp_path: Path, kind: str) -> None:
    writer = write_xlsx if kind == "xlsx" else write_ods
    assert read(writer(tmp_path / f"mails.{kind}", {"Sheet1": MAILS})) == ROWS
    named_csv = tmp_path / "mails.csv"
    named_csv.write_bytes((tmp_path / f"mails.{kind}").read_bytes())
    notes: list[str] = []
    assert read(named_csv, notes) == ROWS and f"it is a .{kind} file under another name" in notes[0]


def test_values_are_what_a_person_sees(tmp_path: Path) -> None:
    sheet: list[Sequence[Any]] = [
        ("text", "count", "price", "day", "paid", "empty"),
        *((f"t{n}", n, n + 0.25, datetime.date(2025, 3, 1 + n), n % 2 == 0, None) for n in range(3)),
    ]
    rows = read(write_xlsx(tmp_path / "a.xlsx", {"S": sheet}))
    assert rows == [
        {"text": f"t{n}", "count": n, "price": n + 0.25, "day": f"2025-03-0{1 + n}", "paid": n % 2 == 0, "empty": ""}
        for n in range(3)
    ]
    assert all(type(row["count"]) is int for row in rows)


def test_titles_gaps_and_merged_cells(tmp_path: Path) -> None:
    sheet: list[Sequence[Any]] = [
        (None, "Support mails, May 2025"),
        (),
        (None, "Subject", "Body", "Category"),
        (None, "a 1", "b 1", "refund"),
        (None, "a 2", "b 2", None),
        (),
        (None, "a 3", "b 3", "shipping"),
    ]
    notes: list[str] = []
    file = write_xlsx(tmp_path / "mails.xlsx", {"Mails": sheet}, {"Mails": ["B1:D1", "D4:D5"]})
    assert [tuple(row.values()) for row in read(file, notes)] == [
        ("a 1", "b 1", "refund"),
        ("a 2", "b 2", "refund"),
        ("a 3", "b 3", "shipping"),
    ]
    assert notes == ["mails.xlsx: title lines above the header are left out: Support mails, May 2025"]
    places = [f"{chunk.label} {number}" for chunk in read_chunks(file) for number, _ in chunk.read([])]
    assert places == ["mails.xlsx, row 4", "mails.xlsx, row 5", "mails.xlsx, row 7"]


def test_one_sheet_with_rows_is_taken_several_are_a_question(tmp_path: Path) -> None:
    notes: list[str] = []
    assert (
        read(write_xlsx(tmp_path / "one.xlsx", {"Read me": [("Made by Ana",)], "Mails": MAILS, "Empty": []}), notes)
        == ROWS
    )
    assert notes == ["one.xlsx: read from the sheet Mails; the others have no rows"]
    file = write_xlsx(tmp_path / "two.xlsx", {"May": MAILS, "Prices": [("item", "price"), ("tea", 2), ("cake", 3)]})
    with pytest.raises(GaslampError) as caught:
        read(file)
    assert caught.value.cause.endswith(
        "has 2 sheets with rows:\n    May: 12 rows of Subject, Body, Category\n    Prices: 2 rows of item, price"
    )
    assert caught.value.fix.startswith('say which is meant: data.sheet: "May"')
    assert read(file, sheet="may") == ROWS
    assert read(file, sheet="Prices") == [{"item": "tea", "price": 2}, {"item": "cake", "price": 3}]
    with pytest.raises(GaslampError, match="has no sheet 'June'"):
        read(file, sheet="June")
    data = Config.model_validate({"data": {"source": f"{file}#Prices"}}).data
    assert [row["item"] for chunk in open_source(data).chunks() for _, row in chunk.read([])] == ["tea", "cake"]


def test_sheets_named_by_split_are_splits(tmp_path: Path) -> None:
    file = write_xlsx(tmp_path / "a.xlsx", {"Train": MAILS[:9], "Test": [MAILS[0], *MAILS[9:]]})
    found = [(chunk.split, row) for chunk in read_chunks(file) for _, row in chunk.read([])]
    assert found == [("train" if n < 8 else "test", row) for n, row in enumerate(ROWS)]


def test_broken_workbooks(tmp_path: Path) -> None:
    file = write_xlsx(tmp_path / "a.xlsx", {"S": MAILS})
    (tmp_path / "cut.xlsx").write_bytes(file.read_bytes()[:200])
    with pytest.raises(GaslampError, match="is not a readable spreadsheet"):
        read(tmp_path / "cut.xlsx")
    with pytest.raises(GaslampError, match="is empty"):
        read(write_xlsx(tmp_path / "empty.xlsx", {"S": []}))


def test_a_column_without_a_name_is_not_lost(tmp_path: Path) -> None:
    rows = read(write_xlsx(tmp_path / "wide.xlsx", {"S": [*MAILS[:6], ("a", "b", "c", "d")]}))
    assert rows[-1] == {"Subject": "a", "Body": "b", "Category": "c", "column 4": "d"} and rows[0]["column 4"] == ""

"""Spreadsheets: sheets by name, title lines, merged cells, numbers and dates as a person sees them."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.chunks import Options
from gaslamp.data.readers.files import read_chunks
from gaslamp.data.readers.number_formats import show_number
from gaslamp.data.sources import open_source

Sheets = dict[str, list[Sequence[Any]]]
MAILS: list[Sequence[Any]] = [
    ("Subject", "Body", "Category"),
    *((f"Order {n}", f"Where is my order {n}?\nBest, Ana", ("shipping", "refund")[n % 2]) for n in range(12)),
]
ROWS = [dict(zip(MAILS[0], row, strict=True)) for row in MAILS[1:]]


FORMATS = ("General", "dd.mm.yyyy", "00000", "0%", "#,##0.00 &quot;€&quot;", "0.00", "(###) ###-####")
"""Number formats by the number of their style."""


@dataclass(frozen=True)
class Styled:
    """A number with a style, or a formula: with its value, or without one."""

    value: float | str | None
    style: int = 0
    formula: str = ""
    shown: str = ""  # of .ods
    kind: str = "float"


def name_column(number: int) -> str:
    return chr(ord("A") + number)


def write_xlsx(
    file: Path,
    sheets: Sheets,
    merged: dict[str, list[str]] | None = None,
    hidden: tuple[int | str, ...] = (),
    recalculates: bool = False,
) -> Path:
    """A workbook as a spreadsheet program writes it: inline texts, numbers, dates by style 1; hidden rows or sheets."""
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
        listed = "".join(
            f'<sheet name="{escape(name)}" sheetId="{n}"{hide("state", name in hidden)} r:id="r{n}"/>'
            for n, name in enumerate(names, 1)
        )
        out.writestr(
            "xl/workbook.xml",
            f'<?xml version="1.0"?><workbook xmlns="{main}" xmlns:r="{kind}"><sheets>{listed}</sheets>'
            + '<calcPr fullCalcOnLoad="1"/>' * recalculates
            + "</workbook>",
        )
        out.writestr(
            "xl/styles.xml",
            f'<?xml version="1.0"?><styleSheet xmlns="{main}"><numFmts>'
            + "".join(f'<numFmt numFmtId="{164 + n}" formatCode="{code}"/>' for n, code in enumerate(FORMATS))
            + '</numFmts><fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/>'
            '</borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs>'
            + "".join(f'<xf numFmtId="{164 + n if n else 0}" applyNumberFormat="1"/>' for n in range(len(FORMATS)))
            + "</cellXfs></styleSheet>",
        )
        for number, name in enumerate(names, 1):
            rows = "".join(
                f'<row r="{r}"{hide("hidden", r in hidden)}>'
                + "".join(write_cell(cell, f"{name_column(c)}{r}") for c, cell in enumerate(row))
                + "</row>"
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


def hide(name: str, is_hidden: bool) -> str:
    return f' {name}="{"hidden" if name == "state" else 1}"' if is_hidden else ""


def write_cell(cell: Any, place: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Styled):
        formula = f"<f>{escape(cell.formula)}</f>" if cell.formula else ""
        kind = ' t="e"' if str(cell.value).startswith("#") else ""
        value = "<v/>" if cell.value is None else f"<v>{cell.value}</v>"
        return f'<c r="{place}" s="{cell.style}"{kind}>{formula}{value}</c>'
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
        if isinstance(value, Styled):
            formula = f'table:formula="of:={escape(value.formula)}" ' if value.formula else ""
            if value.value is None:
                return f"<table:table-cell {formula}/>"
            return (
                f'<table:table-cell {formula}office:value-type="{value.kind}" office:value="{value.value}">'
                f"<text:p>{value.shown}</text:p></table:table-cell>"
            )
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
    assert notes == [
        "mails.xlsx: title lines above the header are left out: Support mails, May 2025",
        "mails.xlsx: merged cells: their value stands in each of their rows (D4:D5)",
    ]
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


def test_numbers_are_read_as_their_cells_show_them(tmp_path: Path) -> None:
    """A postal code keeps its zero, a share its per cent, a price its unit; a number alone stays a number."""
    sheet: list[Sequence[Any]] = [
        ("name", "zip", "share", "price", "size", "phone", "day", "count", "noise"),
        *(
            (
                f"n{n}",
                *(Styled(1067 + n, 2), Styled(0.25, 3), Styled(1234.5, 4), Styled(1.5, 5), Styled(5551234567, 6)),
                *(datetime.date(2025, 3, 1), n, 0.1 + 0.2),
            )
            for n in range(3)
        ),
    ]
    notes: list[str] = []
    row = read(write_xlsx(tmp_path / "a.xlsx", {"S": sheet}), notes)[0]
    assert list(row.values()) == [*("n0", "01067", "25%", "1234.50 €", "1.50", "(555) 123-4567", "2025-03-01", 0, 0.3)]
    assert notes == [
        "a.xlsx: numbers are read as their cells show them: B (01067), C (25%), D (1234.50 €), E (1.50), "
        "F ((555) 123-4567)",
        "a.xlsx: dates are written as year-month-day, whatever their cells show: column G",
    ]
    shown = [Styled(1067, shown="01067"), Styled(0.25, shown="25,00 %", kind="percentage"), Styled(1.5, shown="1,5")]
    ods = write_ods(tmp_path / "a.ods", {"S": [("zip", "share", "size"), *([shown] * 3)]})
    assert read(ods)[0] == {"zip": "01067", "share": "25,00 %", "size": 1.5}


@pytest.mark.parametrize("kind", ["xlsx", "zero", "ods"])
def test_formulas_that_were_never_calculated(tmp_path: Path, kind: str) -> None:
    """openpyxl writes formulas without a value, XlsxWriter with 0: neither is learnt; saving it once helps."""
    value = 0 if kind == "zero" else None
    sheet: list[Sequence[Any]] = [("q", "a"), *((f"q{n}", Styled(value, formula=f"A{n}&x")) for n in range(2, 5))]
    file = tmp_path / ("a.ods" if kind == "ods" else "a.xlsx")
    write_ods(file, {"S": sheet}) if kind == "ods" else write_xlsx(file, {"S": sheet}, recalculates=kind == "zero")
    problems: list[Any] = []
    assert [row for chunk in read_chunks(file) for row in chunk.read(problems)] == []
    assert problems[0] == (
        f"{file.name}, row 2",
        "a formula that was never calculated (B2)",
        "open the file in Excel or LibreOffice and save it: then its values stand in it",
    )
    assert len(problems) == 3
    calculated = [("q", "a"), *((f"q{n}", Styled(n, formula="A1*2")) for n in range(3))]
    assert [row["a"] for row in read(write_xlsx(tmp_path / "b.xlsx", {"S": calculated}, recalculates=True))] == [
        0,
        1,
        2,
    ]


def test_what_is_hidden_merged_or_wrong_is_said(tmp_path: Path) -> None:
    sheet: list[Sequence[Any]] = [("q", "a", "b"), *((f"q{n}", f"a{n}", n) for n in range(5))]
    sheet[3] = ("q2", Styled("#N/A", formula="X"), 2)
    file = write_xlsx(tmp_path / "a.xlsx", {"S": sheet, "Old": MAILS}, {"S": ["A5:B5"]}, hidden=(4, 5, "Old"))
    notes: list[str] = []
    rows = read(file, notes)
    assert len(rows) == 5 and rows[2]["a"] == ""
    assert notes == [
        "a.xlsx: hidden sheets are not read: Old (data.sheet reads one)",
        "a.xlsx: cells with errors are read as empty: B4 (#N/A)",
        "a.xlsx: hidden rows are read like the others: 4 to 5; to leave them out, copy the visible rows to a sheet of "
        "their own",
        "a.xlsx: merged cells: their value stands in their first cell alone (A5:B5)",
    ]
    assert read(file, sheet="Old") == ROWS


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        *((1067, "00000", "01067"), (0.256, "0.0%", "25.6%"), (1234.5, "#,##0.00\\ [$€-407]", "1234.50 €")),
        *((-3.25, "0.00;[Red]-0.00", "-3.25"), (1.5, "0.0##", "1.5"), (12, '"Nr. "0', "Nr. 12"), (3, '0 "kg"', "3 kg")),
        (12, '_-* #,##0.00 €_-;-* #,##0.00 €_-;_-* "-"?? €_-;_-@_-', "12.00 €"),
        *((123456789, "000-00-0000", "123-45-6789"), (0, "0%", "0%"), (12.5, "$0.00", "$12.50")),
        *((5, "0", None), (1234.6, "#,##0", None), (1.5, "General", None), (45000, "dd.mm.yyyy", None)),
        *((1e6, "0.00E+00", None), (1500, "#,##0,", None), (0.5, "# ?/?", None), (5, '[>4]"big";0', None)),
    ],
)
def test_number_formats(value: float, code: str, shown: str | None) -> None:
    assert show_number(value, code) == shown

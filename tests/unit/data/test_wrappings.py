"""What stands in a file is read as it was meant, whatever its wrapping: encodings, separators, archives, titles,
orients.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.chunks import Options
from gaslamp.data.readers.files import read_chunks

ROWS = [{"prompt": f"What costs item {n}?", "completion": f"It costs {n},50 euros"} for n in range(30)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = "prompt,completion\n" + "".join(f'{row["prompt"]},"{row["completion"]}"\n' for row in ROWS)


def read(source: Path, notes: list[str] | None = None, **options: Any) -> list[dict[str, Any]]:
    """Every row; there may be no problems."""
    problems: list[Any] = []
    rows = [row for chunk in read_chunks(source, Options(**options), notes) for _, row in chunk.read(problems)]
    assert not problems
    return rows


def write(folder: Path, name: str, data: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return file


def pack(name: str = "rows.jsonl", data: str = LINES, more: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for member, text in {name: data, **(more or {})}.items():
            file.writestr(member, text)
    return buffer.getvalue()


def tar(data: str = LINES) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        info = tarfile.TarInfo("set/rows.jsonl")
        info.size = len(data)
        file.addfile(info, io.BytesIO(data.encode()))
    return buffer.getvalue()


def parquet() -> bytes:
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), buffer)
    return buffer.getvalue()


Make = str | bytes | Callable[[], bytes]
COLUMNS = {name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ("prompt", "completion")}
SPLIT = {"columns": ["prompt", "completion"], "index": list(range(30)), "data": [list(row.values()) for row in ROWS]}
TABLE = {
    "schema": {"fields": [{"name": "index", "type": "integer"}], "primaryKey": ["index"]},
    "data": [{"index": n, **row} for n, row in enumerate(ROWS)],
}
SAME: list[tuple[str, str, Make]] = [
    ("a zip", "rows.zip", pack()),
    (
        "a zip of a csv in a folder",
        "rows.zip",
        pack("set/rows.csv", CSV, {"__MACOSX/._rows.csv": "x", "README.md": "# About"}),
    ),
    ("a zip called jsonl", "rows.jsonl", pack()),
    ("a tar", "rows.tar.gz", tar()),
    ("a tgz", "rows.tgz", tar()),
    ("bz2", "rows.jsonl.bz2", bz2.compress(LINES.encode())),
    ("xz", "rows.csv.xz", lzma.compress(CSV.encode())),
    ("gzip without an inner ending", "rows.gz", gzip.compress(CSV.encode())),
    ("gzip called jsonl", "rows.jsonl", gzip.compress(LINES.encode())),
    ("gzip called json", "rows.json", gzip.compress(json.dumps(ROWS).encode())),
    ("parquet called jsonl", "rows.jsonl", parquet),
    ("parquet called csv", "rows.csv", parquet),
    ("jsonl called csv", "rows.csv", LINES),
    ("json called csv", "rows.csv", json.dumps(ROWS, indent=1)),
    ("csv called jsonl", "rows.jsonl", CSV),
    ("csv called json", "rows.json", CSV),
    ("no ending", "rows", LINES),
    ("unknown ending", "rows.data", CSV),
    ("json lines in txt", "rows.txt", LINES),
    ("a list in txt", "rows.txt", json.dumps(ROWS, indent=2)),
    ("csv in txt", "rows.txt", CSV),
    ("tabs in txt", "rows.txt", "prompt\tcompletion\n" + "".join("\t".join(row.values()) + "\n" for row in ROWS)),
    ("utf-8 with a mark", "rows.jsonl", LINES.encode("utf-8-sig")),
    ("utf-16", "rows.jsonl", LINES.encode("utf-16")),
    ("utf-16 big end", "rows.csv", b"\xfe\xff" + CSV.encode("utf-16-be")),
    ("utf-16 without a mark", "rows.csv", CSV.encode("utf-16-le")),
    ("utf-32", "rows.json", json.dumps(ROWS).encode("utf-32")),
    ("one list, pretty-printed, in jsonl", "rows.jsonl", json.dumps(ROWS, indent=2)),
    ("one list on one line in jsonl", "rows.jsonl", json.dumps(ROWS)),
    ("objects over several lines in jsonl", "rows.jsonl", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
    ("objects over several lines in json", "rows.json", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
    ("a comma behind each line", "rows.jsonl", LINES.replace("}\n", "},\n")),
    ("a comma behind the last item", "rows.json", json.dumps(ROWS)[:-1] + ",\n]"),
    (
        "a columnar dict",
        "rows.json",
        json.dumps({name: [row[name] for row in ROWS] for name in ("prompt", "completion")}),
    ),
    ("a wrapped list", "rows.json", json.dumps({"version": "v2", "tags": [], "data": ROWS})),
    (
        "the hub viewer's rows",
        "rows.json",
        json.dumps({"features": [{"name": "prompt"}], "rows": [{"row_idx": 0, "row": r} for r in ROWS]}),
    ),
    ("orient columns", "rows.json", json.dumps(COLUMNS)),
    ("orient index", "rows.json", json.dumps({str(n): row for n, row in enumerate(ROWS)})),
    ("orient index by names", "rows.json", json.dumps({f"id-{n}": row for n, row in enumerate(ROWS)})),
    ("orient split", "rows.json", json.dumps(SPLIT)),
    ("orient table", "rows.json", json.dumps(TABLE)),
    ("orient records", "rows.json", json.dumps(ROWS)),
    ("sep= line", "rows.csv", "sep=;\r\n" + CSV.replace(",", ";", 1).replace('?,"', '?;"').replace("\n", "\r\n")),
    ("semicolons", "rows.csv", CSV.replace(",", ";", 1).replace('?,"', '?;"').replace('"', "")),
    ("pipes", "rows.csv", "prompt|completion\n" + "".join("|".join(row.values()) + "\n" for row in ROWS)),
    ("tabs called csv", "rows.csv", "prompt\tcompletion\n" + "".join("\t".join(row.values()) + "\n" for row in ROWS)),
    ("a title line", "rows.csv", "Export from CRM 2025\n\n" + CSV),
    ("a title line as spreadsheets save it", "rows.csv", "Export from CRM 2025,\n,\n" + CSV),
    ("two title lines and a comment", "rows.csv", "Export\nAll customers of 2025\n# made by hand\n" + CSV),
    ("empty columns at the end", "rows.csv", CSV.replace("\n", ",,\n")),
    ("commas behind the rows alone", "rows.csv", CSV.replace('"\n', '",\n')),
]


@pytest.mark.parametrize(("name", "make"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_the_same_rows_come_out(tmp_path: Path, name: str, make: Make) -> None:
    assert read(write(tmp_path, name, make() if callable(make) else make)) == ROWS


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "mac_roman"])
@pytest.mark.parametrize("far", [0, 50_000])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "json", "txt"])
def test_western_encodings_are_detected_and_noted(tmp_path: Path, encoding: str, far: int, kind: str) -> None:
    words = [
        "caf\u00e9 \u00e0 la cr\u00e8me",
        "Stra\u00dfe f\u00fcr \u00c4rzte",
        "ma\u00f1ana",
        "na\u00efve \u00e9t\u00e9",
    ]
    rows = [{"prompt": f"plain {n} " + "x" * 20, "completion": "y"} for n in range(far)]
    rows += [{"prompt": f"{word} {n}", "completion": word} for n, word in enumerate(words)]
    text = {
        "jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "json": json.dumps(rows, ensure_ascii=False),
        "csv": "prompt,completion\n" + "".join(f"{row['prompt']},{row['completion']}\n" for row in rows),
        "txt": "".join(row["prompt"] + "\n" for row in rows),
    }[kind]
    notes: list[str] = []
    found = read(write(tmp_path, f"rows.{kind}", text.encode(encoding)), notes)
    assert found == ([{"text": row["prompt"]} for row in rows] if kind == "txt" else rows)
    assert any("read as" in note and "not UTF-8" in note for note in notes)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "I don\u2019t know. We\u2019re \u2018here\u2019 \u2013 or not"),
        ("cp1252", "\u201cHello,\u201d she said. \u201cGo\u2026\u201d Yes."),
        ("cp1252", "L\u2019\u00e9t\u00e9 \u00e0 Paris, c\u2019est tr\u00e8s \u00ab chic \u00bb"),
        ("cp1252", "1990\u20131995, a word\u2014another, \u20ac5"),
        ("mac_roman", "I don\u2019t know \u2013 he said \u201cno\u201d"),
        ("mac_roman", "\u00bfD\u00f3nde est\u00e1 el ni\u00f1o? La canci\u00f3n de ma\u00f1ana."),
        (
            "cp1251",
            "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430? \u0412\u0441\u0451 "
            "\u0445\u043e\u0440\u043e\u0448\u043e, \u0441\u043f\u0430\u0441\u0438\u0431\u043e \u0437\u0430 "
            "\u043f\u043e\u043c\u043e\u0449\u044c.",
        ),
        (
            "gb18030",
            "\u4f60\u597d\uff0c\u8bf7\u95ee\u600e\u4e48\u91cd\u7f6e\u5bc6\u7801\uff1f\u8bf7\u70b9\u51fb\u5fd8\u8bb0\u5bc6\u7801\u94fe\u63a5\u3002",
        ),
        (
            "cp1250",
            "Dzi\u0119kuj\u0119 za wiadomo\u015b\u0107, za\u0142atwi\u0119 to p\u00f3\u017aniej. "
            "\u017b\u00f3\u0142ty \u0142\u00f3d\u017a.",
        ),
    ],
)
def test_other_encodings(tmp_path: Path, encoding: str, text: str) -> None:
    data = (f"{text}\n" * 20).encode(encoding)
    assert read(write(tmp_path, "rows.txt", data)) == [{"text": text}] * 20
    assert read(write(tmp_path, "rows.txt", data), encoding=encoding) == [{"text": text}] * 20


def test_numbers_are_kept_as_written(tmp_path: Path) -> None:
    from gaslamp.data.cells import get_text

    written = [
        "12345678901234567890123",
        "1.50",
        "1e3",
        "0.1000000000000000055",
        "-0.0",
        "7",
        '{"a":[1.10,2],"b":1E5}',
        "[1,2.50]",
    ]
    lines = "".join(f'{{"prompt": "q{n}", "completion": {value}}}\n' for n, value in enumerate(written))
    listed = "[" + ",".join(lines.splitlines()) + "]"
    for name, text in (("rows.jsonl", lines), ("rows.json", listed)):
        rows = read(write(tmp_path, name, text))
        assert [get_text(row, "completion") for row in rows] == written


def test_what_a_table_of_structs_adds_is_left_out(tmp_path: Path) -> None:
    import datetime
    import decimal

    import pyarrow
    import pyarrow.parquet

    rows: list[dict[str, Any]] = [
        {
            "calls": [{"name": "f", "arguments": {"city": "Oslo"}}],
            "price": decimal.Decimal("1.50"),
            "day": datetime.date(2025, 3, 1),
        },
        {"calls": [{"name": "g", "arguments": {"x": 1}}], "price": decimal.Decimal("2.00"), "day": None},
    ]
    table = pyarrow.Table.from_pylist(rows).append_column("short", pyarrow.array([0.1, None], pyarrow.float32()))
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet") == [
        {"calls": [{"name": "f", "arguments": {"city": "Oslo"}}], "price": "1.50", "day": "2025-03-01", "short": 0.1},
        {"calls": [{"name": "g", "arguments": {"x": 1}}], "price": "2.00", "day": None, "short": None},
    ]


def test_splits_of_one_object(tmp_path: Path) -> None:
    for name, data in (
        ("lists", {"train": ROWS[:20], "test": ROWS[20:]}),
        ("capitals", {"Train": ROWS[:20], "Test": ROWS[20:]}),
        (
            "columns",
            {
                "train": {k: [r[k] for r in ROWS[:20]] for k in ROWS[0]},
                "test": {k: [r[k] for r in ROWS[20:]] for k in ROWS[0]},
            },
        ),
    ):
        file = write(tmp_path, f"{name}.json", json.dumps(data))
        found = [(chunk.split, row) for chunk in read_chunks(file) for _, row in chunk.read([])]
        assert found == [("train" if n < 20 else "test", row) for n, row in enumerate(ROWS)]


def test_squad_articles_are_a_row_for_each_question(tmp_path: Path) -> None:
    qas = [
        {
            "id": "1",
            "question": "Who?",
            "answers": [{"text": "Ana", "answer_start": 3}, {"text": "she", "answer_start": 9}],
        }
    ]
    lost = [{"id": "2", "question": "When?", "answers": [], "is_impossible": True}]
    article = {"title": "T", "paragraphs": [{"context": "c1", "qas": qas}, {"context": "c2", "qas": lost}]}
    rows = read(write(tmp_path, "train.json", json.dumps({"version": "v2.0", "data": [article]})))
    assert rows == [
        {
            "title": "T",
            "context": "c1",
            "id": "1",
            "question": "Who?",
            "answers": {"text": ["Ana", "she"], "answer_start": [3, 9]},
        },
        {
            "title": "T",
            "context": "c2",
            "id": "2",
            "question": "When?",
            "is_impossible": True,
            "answers": {"text": [], "answer_start": []},
        },
    ]


def test_several_lists_are_a_question(tmp_path: Path) -> None:
    file = write(tmp_path, "rows.json", json.dumps({"mails": ROWS, "answers": [{"text": "x"}]}))
    with pytest.raises(GaslampError) as caught:
        read(file)
    assert "'mails' (30 rows: prompt, completion); 'answers' (1 rows: text)" in caught.value.cause
    assert caught.value.fix == 'say which is meant: data.sheet: "mails"'
    assert read(file, sheet="mails") == ROWS


def test_splits_and_members_of_a_zip(tmp_path: Path) -> None:
    from gaslamp.data.readers.files import collect

    lines = LINES.splitlines(keepends=True)
    file = write(
        tmp_path, "set.zip", pack("set/train.jsonl", "".join(lines[:20]), {"set/test.jsonl": "".join(lines[20:])})
    )
    found = [(chunk.split, chunk.label, row) for chunk in read_chunks(file) for _, row in chunk.read([])]
    assert found == [
        *(("test", "set.zip/set/test.jsonl, line", row) for row in ROWS[20:]),
        *(("train", "set.zip/set/train.jsonl, line", row) for row in ROWS[:20]),
    ]
    part = collect(file, "test.jsonl")
    assert [row for chunk in read_chunks(part) for _, row in chunk.read([])] == ROWS[20:]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([f"How do I open box {n}?,Turn key {n}." for n in range(12)], "a question stands above questions"),
        ([f"great film {n},{'good' if n % 2 else 'bad'}" for n in range(12)], "stands in other rows too"),
        ([f"words {n},{n}" for n in range(12)], "stands above numbers"),
    ],
)
def test_a_file_without_header_keeps_its_first_row(tmp_path: Path, lines: list[str], why: str) -> None:
    notes: list[str] = []
    rows = read(write(tmp_path, "rows.csv", "\n".join(lines)), notes)
    assert [list(row.values()) for row in rows] == [line.split(",") for line in lines]
    assert list(rows[0]) == ["column 1", "column 2"] and why in notes[0]
    with_header = read(tmp_path / "rows.csv", header=True)
    assert len(with_header) == 11 and list(with_header[0]) == lines[0].split(",")


@pytest.mark.parametrize(
    "header",
    ["What is your question?,Timestamp", "Is it good?,Why?", "text,label", "2024,2025 plan", "Frage,Antwort", "q,a"],
)
def test_a_header_stays_one(tmp_path: Path, header: str) -> None:
    rows = read(write(tmp_path, "rows.csv", header + "\n" + "".join(f"words {n},other {n}\n" for n in range(12))))
    assert len(rows) == 12 and list(rows[0]) == header.split(",")
    assert read(tmp_path / "rows.csv", header=False)[0] == dict(
        zip(("column 1", "column 2"), header.split(","), strict=True)
    )


def test_commas_without_quotes_are_named_and_take_no_row_as_header(tmp_path: Path) -> None:
    file = write(tmp_path, "rows.csv", "prompt,completion\n" + "".join(f"Hello, you, {n}\n" for n in range(12)))
    problems: list[Any] = []
    rows = [row for chunk in read_chunks(file) for _, row in chunk.read(problems)]
    assert not rows and len(problems) == 12
    assert problems[0][1] == "3 cells, but the header has 2" and "quotes" in problems[0][2]


def test_separators_in_the_only_column_are_text(tmp_path: Path) -> None:
    lines = [f"Hello, you {n}; good, then" if n % 2 else f"Bye, {n}" for n in range(12)]
    notes: list[str] = []
    assert read(write(tmp_path, "rows.csv", "review\n" + "\n".join(lines)), notes) == [
        {"review": line} for line in lines
    ]
    assert notes == ["rows.csv: one column, review: the separators in its rows are part of their text"]


def test_files_about_a_folder_are_no_data(tmp_path: Path) -> None:
    write(tmp_path, "rows.jsonl", LINES)
    write(tmp_path, "dataset_infos.json", "{}")
    write(tmp_path, "~$rows.xlsx", "x")
    write(tmp_path, "._rows.jsonl", "x")
    assert read(tmp_path) == ROWS


BOOK = """The lamp stood in the window of the house, and the street
was quiet. Nobody came by at that hour but the night watchman.

He knew every door of the street, and every door knew his
step. It was said that he had never been late.
"""


def test_paragraphs_of_a_wrapped_book(tmp_path: Path) -> None:
    notes: list[str] = []
    rows = read(write(tmp_path, "book.txt", BOOK.replace("\n", "\r\n")), notes)
    assert [row["text"] for row in rows] == [part.strip("\n") for part in BOOK.split("\n\n")]
    assert notes == ["book.txt: its lines are wrapped: each paragraph is a document"]
    places = [number for chunk in read_chunks(tmp_path / "book.txt") for number, _ in chunk.read([])]
    assert places == [1, 4]


def test_a_wrapped_book_without_blank_lines(tmp_path: Path) -> None:
    """A paragraph ends where a line ends early."""
    notes: list[str] = []
    rows = read(write(tmp_path, "book.txt", BOOK.replace("\n\n", "\n") * 4), notes)
    assert [row["text"] for row in rows] == [BOOK.replace("\n\n", "\n").strip("\n")] * 4
    assert "wrapped at" in notes[0]


def test_lines_of_prose_stay_lines(tmp_path: Path) -> None:
    lines = [
        "Roses are red, violets are blue",
        "The sea, wide",
        "One more line, and another, here",
        "",
        "The end, friend",
    ]
    assert read(write(tmp_path, "lines.txt", "\n".join(lines))) == [{"text": line} for line in lines if line]

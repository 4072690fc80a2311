"""Documents for cpt: cut by their headings and paragraphs, without what stands on every page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import decide
from gaslamp.data.readers.documents import PIECE, Block, cut, join_lines
from gaslamp.data.readers.files import read_chunks
from gaslamp.data.readers.line_shapes import WHOLE

WORDS = ("", "oil", "gas", "brass", "street")
LONG = "The lamp stood in the window of the house, and the street was quiet at that hour of the night. " * 4
MARKDOWN = f"""---
title: Manual
---
# Lamps

{LONG}

- oil
- gas

## Care

{LONG}

```python
# no heading
light()
```

| lamp | price |
|---|---|
| oil | 2 |
"""


def read(file: Path, notes: list[str] | None = None) -> list[tuple[str, str]]:
    problems: list[Any] = []
    rows = [
        (f"{chunk.label} {number}", row["text"])
        for chunk in read_chunks(file, None, notes)
        for number, row in chunk.read(problems)
    ]
    assert not problems
    return rows


def make_pdf(pages: list[list[str]]) -> bytes:
    """A PDF of one font, a line of text a line, without a library."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for lines in pages:
        shown = b" ".join(
            b"(" + line.replace("(", "\\(").replace(")", "\\)").encode("latin-1") + b") Tj T*" for line in lines
        )
        stream = b"BT /F1 10 Tf 12 TL 50 750 Td " + shown + b" ET"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents "
            b"%d 0 R >>" % len(objects)
        )
        kids.append(len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    out = io.BytesIO(b"")
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())  # words: ok, the file position
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()  # words: ok
    out.write(
        b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
        + b"".join(b"%010d 00000 n \n" % place for place in places)
    )
    out.write(b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start))
    return out.getvalue()


def test_markdown_keeps_its_text_and_is_cut_at_headings(tmp_path: Path) -> None:
    file = tmp_path / "manual.md"
    file.write_text(MARKDOWN)
    notes: list[str] = []
    rows = read(file, notes)
    body = MARKDOWN.split("---\n", 2)[2].strip("\n")
    assert [place for place, _ in rows] == ["manual.md, line 4", "manual.md, line 11"]
    assert "\n\n".join(text for _, text in rows) == body
    assert rows[1][1].startswith("## Care") and "# no heading" in rows[1][1]
    assert notes == [f"manual.md: cut at headings and paragraphs into 2 texts of about {PIECE} letters"]


def test_html_without_menus_and_scripts(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        "<html><head><title>x</title><style>p{}</style></head><body><nav><p>Home</p></nav><main><h1>Lamps</h1>"
        "<p>An <b>oil</b>\n lamp.</p><ul><li>oil <i>lamp</i></li><li>gas</li></ul><pre>a\n  b</pre>"
        "<table><tr><th>lamp</th><th>price</th></tr><tr><td>oil</td><td>2</td></tr></table></main>"
        "<footer><p>Imprint</p></footer><script>var x = 1</script></body></html>"
    )
    assert [text for _, text in read(tmp_path / "page.html")] == [
        "# Lamps\n\nAn oil lamp.\n\n- oil lamp\n\n- gas\n\na\n  b\n\n| lamp | price |\n| oil | 2 |"
    ]


def test_docx_headings_lists_and_tables(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Company, confidential"
    document.add_heading("Lamps", 1)
    document.add_paragraph("An oil lamp.")
    document.add_paragraph("oil", style="List Bullet")
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "oil", "2"
    document.save(tmp_path / "lamps.docx")
    assert [text for _, text in read(tmp_path / "lamps.docx")] == ["# Lamps\n\nAn oil lamp.\n\n- oil\n\n| oil | 2 |"]
    (tmp_path / "cut.docx").write_bytes((tmp_path / "lamps.docx").read_bytes()[:500])
    with pytest.raises(GaslampError, match="not a readable .docx"):
        read(tmp_path / "cut.docx")


def test_pdf_without_page_headers_and_numbers(tmp_path: Path) -> None:
    pages = [
        [
            "The Lamp Company",
            f"Lamp number {n} is lit in the evening and put out in the morn-",
            "ing by the watchman.",
            f"The {WORDS[n]} lamp burns long.",
            f"Page {n} of 4",
        ]
        for n in range(1, 5)
    ]
    file = tmp_path / "manual.pdf"
    file.write_bytes(make_pdf(pages))
    notes: list[str] = []
    rows = read(file, notes)
    expected = [
        part
        for n in range(1, 5)
        for part in (
            f"Lamp number {n} is lit in the evening and put out in the morning by the watchman.",
            f"The {WORDS[n]} lamp burns long.",
        )
    ]
    assert "\n\n".join(text for _, text in rows).split("\n\n") == expected
    assert "page headers and footers are left out: page 0 of 0; the lamp company" in notes[0]


def test_pdf_of_pictures_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(make_pdf([[], []]))
    with pytest.raises(GaslampError) as caught:
        read(tmp_path / "scan.pdf")
    assert (
        "its 2 pages hold no text, nothing can be learnt from it" in caught.value.cause
        and "ocrmypdf" in caught.value.fix
    )


def test_pieces_end_at_paragraphs_and_repeat_their_heading() -> None:
    blocks = [Block("# A", 1, 1), *(Block("x" * 900, 0, number) for number in range(2, 7))]
    pieces = cut(blocks)
    assert [number for number, _ in pieces] == [1, 4, 6]
    assert [text.split("\n\n") for _, text in pieces] == [
        ["# A", "x" * 900, "x" * 900],
        ["# A", "x" * 900, "x" * 900],
        ["# A", "x" * 900],
    ]
    assert cut([Block("y" * 9000)]) == [(1, "y" * 9000)], "a paragraph is never cut"


def test_wrapped_lines_become_paragraphs() -> None:
    lines = ["The lamp stood in the win-", "dow, and the street was", "quiet.", "He came late, very late at", "night."]
    assert join_lines(lines) == [
        "The lamp stood in the window, and the street was quiet.",
        "He came late, very late at night.",
    ]


def test_documents_next_to_tables_are_not_read_and_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "README.md").write_text("# About the data")
    notes: list[str] = []
    assert read(tmp_path, notes) == [("rows.jsonl, line 1", "a")]
    assert notes == ["not read, as documents next to tables: README.md"]
    (tmp_path / "rows.jsonl").rename(tmp_path / "rows.txt")
    (tmp_path / "rows.txt").write_text("one line\n")
    (tmp_path / "care.md").write_text("# Care\n\nClean it.")
    assert read(tmp_path) == [("care.md, line 1", "# Care\n\nClean it."), ("rows.txt, line 1", "one line")]


def test_subtitles_are_running_text(tmp_path: Path) -> None:
    """Without numbers, times, tags and lines that rolling captions say twice; a pause ends a paragraph."""
    srt = (
        "1\n00:00:01,000 --> 00:00:02,500\n<i>Good morning,</i>\n{\\an8}and welcome.\n\n"
        "2\n00:00:02,600 --> 00:00:04,000\nand welcome.\nWe begin.\n\n"
        "3\n00:01:00,000 --> 00:01:02,000\nA new part 7\n"
    )
    (tmp_path / "a.srt").write_text(srt)
    vtt = (
        "WEBVTT\n\nNOTE made by hand\n\n00:01.000 --> 00:02.500 align:start\n<v Ana>Good morning,</v>\n\n"
        "00:03.000 --> 00:04.000\nall.\n"
    )
    (tmp_path / "b.vtt").write_text(vtt)
    notes: list[str] = []
    texts = [row["text"] for chunk in read_chunks(tmp_path, notes=notes) for _, row in chunk.read([])]
    assert texts == ["Good morning, and welcome. We begin.\n\nA new part 7", "Good morning, all."]
    assert "a.srt: read as running text: numbers, times and tags of the subtitles are left out" in notes


PAIRS = [("How do I pay?", "Open the page of bills."), ("Can I pay later?", "Yes, until Friday."), ("Where?", "Here.")]
FAQS = {
    "a.md": "# Help\n\nWelcome.\n\n" + "".join(f"## {ask}\n\n{say}\n\n" for ask, say in PAIRS),
    "b.md": "# Help\n\n## Bills\n\n" + "".join(f"### 1. {ask}\n\n{say}\n\n" for ask, say in PAIRS),
    "c.md": "".join(f"**{ask}**\n{say}\n\n" for ask, say in PAIRS),
    "d.md": "".join(f"**Q:** {ask}\n\n**A:** {say}\n\n" for ask, say in PAIRS),
    "e.html": "<dl>" + "".join(f"<dt>{ask}</dt><dd>{say}</dd>" for ask, say in PAIRS) + "</dl>",
    "f.html": "".join(f"<details><summary>{ask}</summary>{say}</details>" for ask, say in PAIRS),
    "g.html": "".join(f"<details><summary>{ask}</summary><p>{say}</p></details>" for ask, say in PAIRS),
    "h.html": "<h1>Help</h1>" + "".join(f"<h3>{ask}</h3><p>{say}</p>" for ask, say in PAIRS),
    "i.md": "| Question | Answer |\n|---|---|\n" + "".join(f"| {ask} | {say} |\n" for ask, say in PAIRS),
}


@pytest.mark.parametrize("name", FAQS)
def test_questions_of_a_document_are_pairs_or_a_text(name: str, tmp_path: Path) -> None:
    """They were running text, without a word; which is meant only cpt says."""
    (tmp_path / name).write_text(FAQS[name], encoding="utf-8")
    rows = [row for chunk in read_chunks(tmp_path / name) for _, row in chunk.read([])]
    columns = ("Question", "Answer") if "|" in FAQS[name] else ("question", "answer")
    assert [tuple(row[column] for column in columns) for row in rows] == PAIRS
    assert all(ask in row[WHOLE] and say in row[WHOLE] for row, (ask, say) in zip(rows, PAIRS, strict=True))
    assert "Welcome" not in FAQS[name] or "Welcome." in rows[0][WHOLE]
    assert not decide(rows).certain and not decide(rows, kinds=("conversation",)).certain
    learnt = decide(rows, kinds=("text",))
    assert learnt.certain and learnt.reading.mapping == {"text": WHOLE}


def test_an_article_with_a_question_is_an_article(tmp_path: Path) -> None:
    text = f"# Lamps\n\n## Why do they burn?\n\n{LONG}\n\n## Oil\n\n{LONG}\n\n## Gas\n\n{LONG}\n"
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    assert len(read(tmp_path / "a.md")) == 3


def test_pictures_in_folders_of_classes_name_the_table_they_lack(tmp_path: Path) -> None:
    for name in ("cat/0.png", "cat/1.png", "dog/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(GaslampError, match=r"3 pictures in folders of a class each \(cat, dog\)") as error:
        list(read_chunks(tmp_path))
    assert "columns file_name and text" in str(error.value) and "(cat/0.png,cat)" in str(error.value)
    (tmp_path / "metadata.csv").write_text("file_name,text\ncat/0.png,cat\ncat/1.png,cat\ndog/2.png,dog\n")
    rows = [row for chunk in read_chunks(tmp_path) for _, row in chunk.read([])]
    assert decide(rows, kinds=registry.get("methods", "vision_sft").KINDS).reading.mapping == {
        "images": "file_name",
        "answer": "text",
    }


def test_annotations_of_brat_are_not_left_aside(tmp_path: Path) -> None:
    for n in range(4):
        (tmp_path / f"{n}.txt").write_text(f"Ida {n} lives in Oslo.")
        (tmp_path / f"{n}.ann").write_text("T1\tPER 0 3\tIda\n")
    with pytest.raises(GaslampError, match=r"4 of 4 texts have annotations of brat next to them \(0.ann\)"):
        list(read_chunks(tmp_path))

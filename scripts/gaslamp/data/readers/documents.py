"""Documents for cpt: .md, .html, .docx and .pdf, cut by their headings and paragraphs into texts of about a page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.faq import TERM, Part, find_pairs, find_table
from gaslamp.data.readers.line_shapes import WHOLE
from gaslamp.data.readers.opening import open_text

if TYPE_CHECKING:
    from pypdf import PdfReader
    from selectolax.lexbor import LexborNode

PIECE = 2000
"""Letters of a piece; about 500 tokens. A piece ends where a paragraph ends."""
SHORTEST = 200  # letters; a section below is joined with the next
REPEATED = 0.5  # share of the pages from which a first or last line is a page header or footer
MISSING = "pip install 'gaslamp[documents]' (pypdf, python-docx, selectolax), or save it as .txt"


@dataclass(frozen=True)
class Block:
    """A heading or a paragraph of a document.

    Attributes:
        text: as it stands, Markdown for headings, lists and tables.
        level: 1 to 6 for headings, 0 for all else.
        number: of the page, or of the section, that it stands in.
    """

    text: str
    level: int = 0
    number: int = 1


def cut(blocks: list[Block]) -> list[tuple[int, str]]:
    """Pieces of a document, each with the number of its first block.

    A piece begins at a heading or, within a long section, at a paragraph; its heading stands in front of it.
    Paragraphs are never
    cut: a longer one is a piece of its own.
    """
    pieces: list[tuple[int, list[str]]] = []
    heading: str | None = None
    size = 0
    for block in blocks:
        is_full = bool(pieces) and size + len(block.text) > PIECE and size >= SHORTEST
        starts = not pieces or (block.level and size >= SHORTEST) or is_full
        if starts:
            again = [heading] if heading and is_full and not block.level else []
            pieces.append((block.number, again))
            size = 0
        pieces[-1][1].append(block.text)
        size += len(block.text)
        if block.level:
            heading = block.text
    return [(number, "\n\n".join(texts)) for number, texts in pieces]


def get_chunks(blocks: list[Block], reading: Reading, what: str) -> Iterator[Chunk]:
    """The pieces of a document as rows; ``what`` is how its blocks are counted. Raises GaslampError for none."""
    filled = [block for block in blocks if block.text.strip()]
    if not filled:
        raise GaslampError(f"{reading.title} holds no text", "put text into it, or set data.source to another file")
    parts = [Part(block.text, block.level, block.number) for block in filled]
    table = find_table(parts)
    rows: list[Numbered] = [*(table or find_pairs(parts))]
    if table:
        reading.note(f"it is a table of {len(rows)} rows; '{WHOLE}' holds each as it stands")
    elif rows:
        reading.note(f"it is {len(rows)} questions, each with its answer below it; '{WHOLE}' holds each as it stands")
    else:
        rows = [(number, {"text": text}) for number, text in cut(filled)]
        reading.note(f"cut at headings and paragraphs into {len(rows)} texts of about {PIECE} letters")
    for start in range(0, len(rows), limits.BATCH):
        yield Chunk(
            parse_rows, f"{reading.name}, {what}", rows[start][0], rows[start : start + limits.BATCH], reading.split
        )


def read_markdown(reading: Reading) -> Iterator[Chunk]:
    """The sections of a Markdown text, as they are written; front matter is left out."""
    from markdown_it import MarkdownIt

    with open_text(reading, "\n") as handle:
        text = handle.read().replace("\r\n", "\n")
    text = re.sub(r"\A---\n.*?\n---\n", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    lines = text.split("\n")
    blocks: list[Block] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.level == 0 and token.map and token.nesting >= 0:
            start, end = token.map
            level = int(token.tag[1]) if token.type == "heading_open" else 0
            blocks.append(Block("\n".join(lines[start:end]).strip("\n"), level, start + 1))
    yield from get_chunks(blocks, reading, "line")


def read_html(reading: Reading) -> Iterator[Chunk]:
    """The headings, paragraphs, lists and tables of a web page; menus, scripts and footers are left out."""
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError as error:
        raise GaslampError(f"{reading.title}: .html files need the package selectolax", MISSING) from error
    with open_text(reading) as handle:
        tree = LexborHTMLParser(handle.read())
    for node in tree.css("script, style, noscript, template, svg, nav, footer, header nav, aside, form, iframe"):
        node.decompose()
    root = tree.css_first("main") or tree.css_first("article") or tree.body
    blocks: list[Block] = []
    for node in root.css("h1, h2, h3, h4, h5, h6, p, li, pre, blockquote, table, dt, dd, summary") if root else ():
        if _has_ancestor(node, ("li", "blockquote", "table", "pre", "dd", "summary")):
            continue
        if node.tag == "table":
            rows = [[_squeeze(cell.text()) for cell in row.css("th, td")] for row in node.css("tr")]
            text = "\n".join("| " + " | ".join(cells) + " |" for cells in rows if any(cells))
            blocks.append(Block(text, 0, len(blocks) + 1))
            continue
        text = node.text().strip("\n") if node.tag == "pre" else _squeeze(node.text())
        tag = node.tag or ""
        level = int(tag[1]) if tag[0:1] == "h" and tag[1:].isdigit() else TERM if tag in ("dt", "summary") else 0
        mark = "#" * level + " " if 0 < level < TERM else "- " if tag == "li" else ""
        if text:
            blocks.append(Block(mark + text, level, len(blocks) + 1))
        if tag == "summary" and (below := _read_bare(node)):
            blocks.append(Block(below, 0, len(blocks) + 1))
    if not blocks and root and root.text(strip=True):
        blocks = [Block(_squeeze(part)) for part in re.split(r"\n\s*\n", root.text()) if part.strip()]
    yield from get_chunks(blocks, reading, "block")


def _read_bare(summary: LexborNode) -> str:
    """What stands below a summary without a paragraph around it."""
    parent = summary.parent
    if parent is None or parent.css_first("p, li, pre, table, blockquote, dd, h1, h2, h3, h4, h5, h6"):
        return ""
    return _squeeze(parent.text()).removeprefix(_squeeze(summary.text())).strip()


def _has_ancestor(node: object, tags: tuple[str, ...]) -> bool:
    parent = getattr(node, "parent", None)
    while parent is not None:
        if parent.tag in tags:
            return True
        parent = parent.parent
    return False


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def read_docx(reading: Reading) -> Iterator[Chunk]:
    """The headings, paragraphs, lists and tables of a Word document.

    Page headers and footers are not part of its text.
    """
    try:
        import docx
        from docx.opc.exceptions import PackageNotFoundError
        from docx.table import Table
    except ImportError as error:
        raise GaslampError(f"{reading.title}: .docx files need the package python-docx", MISSING) from error
    from zipfile import BadZipFile

    try:
        document = docx.Document(str(reading.file))
    except (KeyError, ValueError, OSError, BadZipFile, PackageNotFoundError) as error:
        raise GaslampError(
            f"{reading.title} is not a readable .docx file: {str(error)[:200]}", "save it again"
        ) from error
    blocks: list[Block] = []
    for part in document.iter_inner_content():
        number = len(blocks) + 1
        if isinstance(part, Table):
            rows = [[_squeeze(cell.text) for cell in row.cells] for row in part.rows]
            blocks.append(Block("\n".join("| " + " | ".join(cells) + " |" for cells in rows if any(cells)), 0, number))
            continue
        style = (part.style.name or "") if part.style else ""
        match = re.match(r"(?:Heading|Title)\s*(\d?)", style)
        level = min(6, int(match[1] or 1)) if match else 0
        mark = "#" * level + " " if level else "- " if style.startswith("List") else ""
        if part.text.strip():
            blocks.append(Block(mark + part.text.strip(), level, number))
    yield from get_chunks(blocks, reading, "paragraph")


def read_pdf(reading: Reading) -> Iterator[Chunk]:
    """The paragraphs of a PDF without page headers, footers and page numbers.

    Raises:
        GaslampError: it is damaged, locked, or its pages are pictures.
    """
    try:
        import pypdf
    except ImportError as error:
        raise GaslampError(f"{reading.title}: .pdf files need the package pypdf", MISSING) from error
    try:
        document = pypdf.PdfReader(str(reading.file))
        if document.is_encrypted and not document.decrypt(""):
            raise GaslampError(f"{reading.title} is locked by a password", "save it without one")
        pages = [page.extract_text() or "" for page in document.pages]
    except (pypdf.errors.PyPdfError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GaslampError(
            f"{reading.title} is not a readable PDF: {str(error)[:200]}", "save it again, or save it as .txt"
        ) from error
    empty = sum(len(text.strip()) < 20 for text in pages)
    if pages and empty == len(pages):
        pictures = _count_pictures(document)
        what = f"its {len(pages)} pages are pictures (a scan)" if pictures else f"its {len(pages)} pages hold no text"
        raise GaslampError(
            f"{reading.title}: {what}, nothing can be learnt from it",
            "run text recognition on it first (ocrmypdf in.pdf out.pdf)",
            "its text is drawn as shapes: export it again as text",
        )
    if empty:
        reading.note(f"{empty} of {len(pages)} pages hold no text (pictures or empty)")
    blocks = [
        Block(text, 0, number)
        for number, lines in enumerate(drop_repeated([text.splitlines() for text in pages], reading), 1)
        for text in join_lines(lines)
    ]
    yield from get_chunks(blocks, reading, "page")


def _count_pictures(document: PdfReader) -> int:
    try:
        return sum(len(page.images) for page in document.pages[:5])
    except Exception:  # a picture format that pypdf does not know: then there is one
        return 1


def drop_repeated(pages: list[list[str]], reading: Reading) -> list[list[str]]:
    """The lines of pages without those that stand first or last on most of them.

    Page headers, footers, page numbers.
    """
    pages = [[line for line in lines if line.strip()] for lines in pages]
    if len(pages) < 3:
        return pages

    def key(line: str) -> str:
        text = _squeeze(line).lower()
        return re.sub(r"\d+", "0", text) if len(text) <= 40 else text  # page numbers

    edge = 2
    seen = Counter(
        (where, key(line))
        for lines in pages
        for where, part in (("first", lines[:edge]), ("last", lines[-edge:]))
        for line in {key(line): line for line in part}.values()
    )
    repeated = {place for place, count in seen.items() if count >= 3 and count >= REPEATED * len(pages)}
    kept = []
    for lines in pages:
        start, end = 0, len(lines)
        while start < min(edge, end) and ("first", key(lines[start])) in repeated:
            start += 1
        while end > max(start, len(lines) - edge) and ("last", key(lines[end - 1])) in repeated:
            end -= 1
        kept.append(lines[start:end])
    if repeated:
        reading.note(
            f"page headers and footers are left out: {'; '.join(sorted({text for _, text in repeated}))[:200]}"
        )
    return kept


def join_lines(lines: list[str]) -> list[str]:
    """Paragraphs of wrapped lines: one ends where a line is much shorter than the others.

    Words cut at line ends are joined.
    """
    width = max(map(len, lines), default=0)
    paragraphs: list[str] = []
    open_ended = False
    for line in lines:
        text = _squeeze(line)
        if open_ended and paragraphs:
            last = paragraphs[-1]
            is_cut = last.endswith("-") and last[-2:-1].isalpha() and text[:1].islower()
            paragraphs[-1] = last[:-1] + text if is_cut else f"{last} {text}"
        else:
            paragraphs.append(text)
        open_ended = len(line.rstrip()) >= 0.7 * width and not (
            len(line.rstrip()) < 0.85 * width and text.endswith((".", "!", "?", ":"))
        )
    return paragraphs

"""What the requests are made of besides the task: the person's own example rows, and pieces of their documents."""

from __future__ import annotations

from gaslamp.config.sections.data import Data
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.conversion import SPLITS
from gaslamp.data.generation.shapes import SHAPES
from gaslamp.data.judgements import convert_kept
from gaslamp.data.peek import decide_for
from gaslamp.data.privacy import redact, redact_row
from gaslamp.data.readers.chunks import Problem, write_place
from gaslamp.data.rows import LeftOut, Row, SourceRow, adapt
from gaslamp.data.sample import read_sample
from gaslamp.data.sources import open_source

PIECE = 2000
"""Letters of a piece of a document; about 500 tokens."""
MOST_SEEDS = 200
"""Rows of the seeds that are used: examples need no more."""


def read_seeds(file: str, method: str, kind: str, redacts: bool) -> list[Row]:
    """The example rows as rows of ``kind``, personal data and secrets replaced when ``redacts``.

    Raises:
        GaslampError: the file cannot be read, its columns are not understood, or rows cannot serve.
    """
    data = Data(source=file)
    source = open_source(data)
    names = ", ".join(field.name for field in SHAPES[kind])
    try:
        meaning, _ = decide_for(read_sample(source, []), data, method, file)
    except GaslampError as error:
        raise GaslampError(
            f"data.generate.seeds, {file}: {error.cause}", f"call the columns {names}", "save it as .jsonl or .csv"
        ) from error
    convert = registry.get("formats", meaning.reading.format).convert
    rows: list[Row] = []
    wrong: list[str] = []
    for chunk in source.chunks():
        problems: list[Problem] = []
        for number, line in chunk.read(problems):
            try:
                rows.append(adapt(convert_kept(convert, line, meaning.reading.mapping), kind))
            except LeftOut:
                continue
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                wrong.append(f"{write_place(chunk.label, number)}: {error}")
        wrong += [f"{place}: {what}" for place, what, _ in problems]
    if wrong or not rows:
        shown = "".join(f"\n    {text}" for text in wrong[:10]) or ": no rows"
        raise GaslampError(
            f"data.generate.seeds, {file}: some rows cannot be examples{shown}",
            "correct these rows",
            "the file is no set of example rows: name another one, or null",
        )
    return [redact_row(row) if redacts else row for row in rows[:MOST_SEEDS]]


def read_documents(source: str, redacts: bool) -> list[tuple[str, str]]:
    """Pieces of the documents, each with its place: ``handbook.pdf, page 3``.

    Neighbouring paragraphs of a file make one piece of about ``PIECE`` letters; a table gives a piece for some rows.

    Raises:
        GaslampError: nothing can be read there.
    """
    pieces: list[tuple[str, list[str]]] = []
    opened = open_source(Data(source=source))
    label, size = "", 0
    for chunk in opened.chunks():
        for number, row in chunk.read([]):
            text = _get_text(row)
            if not text:
                continue
            if not pieces or chunk.label != label or size + len(text) > PIECE:
                pieces.append((write_place(chunk.label, number), []))
                size = 0
            pieces[-1][1].append(redact(text) if redacts else text)
            label, size = chunk.label, size + len(text)
    if not pieces:
        raise GaslampError(f"data.generate.documents: {source} holds no text", "name a file or folder with texts")
    return [(place, "\n\n".join(texts)) for place, texts in pieces]


def _get_text(row: SourceRow) -> str:
    """The text of a row, or its cells with their columns; a column that names a split says nothing."""
    if isinstance(text := row.get("text"), str):
        return text.strip()
    cells = {name: value for name, value in row.items() if value not in (None, "") and value not in SPLITS}
    return "\n".join(f"{name}: {value}" for name, value in cells.items())

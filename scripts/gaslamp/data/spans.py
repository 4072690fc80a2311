"""Spans of a text by their places (Doccano, spaCy, Prodigy): they become what stands there, with its class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import parse_list
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, parse_rows
from gaslamp.data.rows import SourceRow

TEXTS = ("text", "data", "sentence", "content", "document")
STARTS, ENDS = ("start", "start_offset", "begin", "start_char"), ("end", "end_offset", "end_char")
LABELS = ("label", "type", "entity", "tag", "entity_type", "category")


class Shape(NamedTuple):
    """The columns of a text and of the spans in it."""

    text: str
    spans: str


def find_shape(rows: list[SourceRow]) -> Shape | None:
    """The columns; ``None`` for other rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = next((name for name in columns if name.lower() in TEXTS), None)
    if not text or not all(isinstance(row.get(text), str) for row in rows):
        return None
    for name in columns:
        cells = [value for row in rows if (value := parse_list(row.get(name))) not in (None, "", [])]
        if name != text and cells and all(isinstance(cell, list) and all(map(_read_span, cell)) for cell in cells):
            return Shape(text, name)
    return None


def _read_span(value: object) -> tuple[int, int, str] | None:
    """Start, end and class; ``None`` for another value, and for one that says itself what stands there."""
    if isinstance(value, dict):
        parts = [next((value[key] for key in keys if key in value), None) for keys in (STARTS, ENDS, LABELS)]
    else:
        parts = list(value) if isinstance(value, list | tuple) else []
    if len(parts) != 3:
        return None
    start, end, label = parts
    label = label[0] if isinstance(label, list) and len(label) == 1 else label
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(label, str):
        return None
    return (start, end, label) if start < end else None


def unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the rows with entities in place of spans.

    Args:
        chunks: starts a pass over the rows of the file.
        shape: from ``find_shape``.
        notes: takes up what was decided.
    """
    note = f"the places in '{shape.spans}' are read as what stands there in '{shape.text}', with its class"
    if note not in notes:
        notes.append(note)
    return partial(_unfold, chunks, shape)


def _unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape) -> Iterator[Chunk]:
    for chunk in chunks():
        problems: list[Problem] = []
        rows: list[Numbered] = []
        for number, row in chunk.read(problems):
            entities = _read_entities(row, shape)
            if entities is None:
                text = f"column '{shape.spans}' has a span that is none of '{shape.text}'"
                problems.append((f"{chunk.label} {number}", text, ""))
                continue
            rest = {name: value for name, value in row.items() if name != shape.spans}
            rows.append((number, {**rest, "entities": entities}))
        yield Chunk(parse_rows, chunk.label, chunk.first, rows, chunk.split, tuple(problems))


def _read_entities(row: SourceRow, shape: Shape) -> list[JsonObject] | None:
    text = row.get(shape.text)
    cell = parse_list(row.get(shape.spans)) or []
    found = [_read_span(value) for value in cell] if isinstance(cell, list) else [None]
    if not isinstance(text, str) or any(span is None or span[1] > len(text) for span in found):
        return None
    spans = sorted((span for span in found if span), key=lambda span: span[:2])
    return [{"text": text[start:end], "label": label} for start, end, label in spans]

"""Tables without a header whose first column names recordings next to them: LJSpeech's ``LJ001|text|as it is spoken``.

Coqui, Piper and most voices of one speaker come so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, parse_rows
from gaslamp.data.rows import SourceRow

FOLDERS = ("wavs", "wav", "audio", "clips", ".")
ENDINGS = ("", ".wav", ".flac", ".mp3", ".ogg")
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".opus")
TRIED = 20  # rows


class Shape(NamedTuple):
    """Where recordings are, and which columns name and transcribe them."""

    folder: str
    ending: str
    name: str
    text: str


def find_shape(rows: list[SourceRow], folder: Path) -> Shape | None:
    """How rows name recordings; ``None`` where they name none.

    Args:
        rows: the sample.
        folder: of the table.
    """
    columns = list(rows[0]) if rows else []
    if not 2 <= len(columns) <= 4 or columns[:2] != ["column 1", "column 2"]:
        return None
    cells = [str(row.get("column 1") or "") for row in rows[:TRIED]]
    for below in FOLDERS:
        for ending in ENDINGS:
            files = [folder / below / f"{cell}{ending}" for cell in cells]
            if all(cells) and all(file.suffix.lower() in SOUNDS and file.is_file() for file in files):
                filled = [name for name in columns[1:] if all(row.get(name) for row in rows[:TRIED])]
                return Shape(below, ending, "column 1", filled[-1]) if filled else None
    return None


def unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over rows with ``audio`` and ``text``.

    Args:
        chunks: starts a pass over the rows of the table.
        shape: from ``find_shape``.
        notes: takes up what was decided.
    """
    note = f"{shape.name} names recordings in {shape.folder}, {shape.text} is what is said in them"
    if note not in notes:
        notes.append(note)
    return partial(_unfold, chunks, shape)


def _unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape) -> Iterator[Chunk]:
    for chunk in chunks():
        problems: list[Problem] = []
        rows: list[Numbered] = [(number, _name(row, shape)) for number, row in chunk.read(problems)]
        yield Chunk(parse_rows, chunk.label, chunk.first, rows, chunk.split, tuple(problems))


def _name(row: SourceRow, shape: Shape) -> SourceRow:
    path = Path(shape.folder) / f"{row.get(shape.name)}{shape.ending}"
    others = {name: value for name, value in row.items() if name not in (shape.name, shape.text)}
    return {"audio": path.as_posix(), "text": row.get(shape.text), **others}

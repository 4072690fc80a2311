"""Records of Argilla: what people answered or corrected, next to what a model suggested.

``name.responses`` with their status and ``name.suggestion`` (Argilla 2), or a column of ``{user_id, value, status}``
next to ``name-suggestion`` (Argilla 1). What was submitted becomes the column; a suggestion that nobody looked at is
left out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from gaslamp.data.cells import parse_list
from gaslamp.data.flat_turns import Place, pack
from gaslamp.data.readers.chunks import Chunk, Problem
from gaslamp.data.rows import SourceRow

SUBMITTED = "submitted"
ENDS = (".responses", ".responses.users", ".responses.status", ".suggestion", ".suggestion.score", ".suggestion.agent")
OLDER = ("-suggestion", "-suggestion-metadata")
RECORD = ("status", "_server_id", "external_id", "inserted_at", "updated_at")
"""What Argilla itself writes of a record."""


class Shape(NamedTuple):
    """The questions, by the column that each becomes; and whether each has columns of its own (Argilla 2)."""

    questions: tuple[str, ...]
    is_flat: bool


def find_shape(rows: list[SourceRow]) -> Shape | None:
    """The questions of a set; ``None`` for other rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    flat = tuple(
        name.removesuffix(ENDS[0]) for name in columns if name.endswith(ENDS[0]) and f"{name}.status" in columns
    )
    if flat:
        return Shape(flat, True)
    older = tuple(
        name
        for name in columns
        if any(f"{name}{end}" in columns for end in OLDER)
        and all(_are_responses(row.get(name)) for row in rows if row.get(name) not in (None, "", []))
    )
    return Shape(older, False) if older else None


def _are_responses(value: object) -> bool:
    items = parse_list(value)
    return isinstance(items, list) and all(
        isinstance(item, dict) and {"value", "status"} <= set(item) for item in items
    )


def unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the records with what was submitted.

    Args:
        chunks: starts a pass over the rows of the file.
        shape: from ``find_shape``.
        notes: takes up what was decided and left out.
    """
    return partial(_unfold, chunks, shape, notes)


def _unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Iterator[Chunk]:
    problems: list[Problem] = []
    rows: list[tuple[Place, SourceRow]] = []
    left: Counter[str] = Counter()
    count = 0
    for chunk in chunks():
        for number, row in chunk.read(problems):
            count += 1
            answers = {name: _read_answers(row, name, shape.is_flat) for name in shape.questions}
            said = [value for values in answers.values() for value in values]
            if not said:
                left["nobody submitted an answer"] += 1
                continue
            if any(len(values) > 1 for values in answers.values()):
                left["people disagree"] += 1
                continue
            made = {name: value for name, value in row.items() if not _is_of_argilla(name, shape)}
            for name, values in answers.items():
                made[f"corrected {name}" if name in made else name] = values[0] if values else None
            rows.append(((chunk.label, number, chunk.split), made))
    aside = "".join(f"; {number} left out, {why}" for why, number in left.items())
    note = f"{count} records of Argilla: {', '.join(shape.questions)} hold what people submitted{aside}"
    if note not in notes:
        notes.append(note)
    yield from pack(rows, problems)


def _is_of_argilla(name: str, shape: Shape) -> bool:
    """Whether a column is a question, what belongs to one, or a note on the record."""
    ends = ENDS if shape.is_flat else ("", *OLDER)
    return name in RECORD or any(name == f"{question}{end}" for question in shape.questions for end in ends)


def _read_answers(row: SourceRow, name: str, is_flat: bool) -> list[object]:
    """The different answers that people submitted to a question."""
    pairs: list[tuple[object, object]] = []
    if is_flat:
        values, states = (parse_list(row.get(f"{name}{end}")) for end in (ENDS[0], ENDS[2]))
        if isinstance(values, list) and isinstance(states, list):
            pairs = list(zip(values, states, strict=False))
    else:
        items = parse_list(row.get(name)) or ()
        pairs = [(item.get("value"), item.get("status")) for item in items if isinstance(item, dict)]
    said = [value for value, state in pairs if state == SUBMITTED and value not in (None, "")]
    return list({json.dumps(value, sort_keys=True, default=str): value for value in said}.values())

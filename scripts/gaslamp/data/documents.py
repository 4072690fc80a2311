"""What `make data-describe` says to programs."""

from __future__ import annotations

from typing import Any, Self

from gaslamp.core.document import Document, ErrorDocument, Part
from gaslamp.data.describe import Description
from gaslamp.data.meaning.readings import Reading


class ColumnPart(Part):
    """One column of the first rows."""

    name: str
    types: list[str]  # most frequent first
    filled: float  # share of rows that have a value
    values: list[str]  # of the first rows, shortened


class ReadingPart(Part):
    """One thing that the columns can mean; its ``key`` goes into ``data.meaning``."""

    key: str
    format: str
    mapping: dict[str, Any]  # role -> column
    rows: str  # the kind of row that it gives
    reason: str

    @classmethod
    def make(cls, reading: Reading) -> Self:
        """Of a reading."""
        return cls(
            key=reading.key,
            format=reading.format,
            mapping=dict(reading.mapping),
            rows=reading.rows,
            reason=reading.reason,
        )


class DataDocument(Document):
    """``make data-describe JSON=1``: what a source is, how it would be learnt. With an ``error`` the exit code is 1."""

    source: str
    looked_at: int  # rows
    columns: list[ColumnPart]
    is_certain: bool  # names and cells leave no doubt, or the config says what they mean
    readings: list[ReadingPart]  # best first; the first one is taken when certain
    unused: dict[str, bool]  # column that nothing reads -> it holds information
    method: str
    methods: list[str]  # that can learn from it
    row_kind: str  # what the method gets
    samples: list[dict[str, Any]]  # the first rows as they would be learnt
    problems: list[str]  # rows that cannot be read or learnt, by place
    error: ErrorDocument | None

    @classmethod
    def make(cls, found: Description, method: str) -> Self:
        """Of a description."""
        meaning = found.meaning
        return cls(
            source=found.source,
            looked_at=found.looked_at,
            columns=[ColumnPart(**vars(column)) for column in found.columns],
            is_certain=bool(meaning and meaning.certain),
            readings=[ReadingPart.make(reading) for reading in meaning.readings] if meaning else [],
            unused={item.name: item.has_information for item in meaning.unused} if meaning else {},
            method=method,
            methods=found.methods,
            row_kind=found.kind,
            samples=found.samples,
            problems=[f"{place}: {text}" for place, text, *_ in found.problems] + found.broken,
            error=ErrorDocument.make(found.error) if found.error else None,
        )

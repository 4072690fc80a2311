"""What `make data`, `data-describe`, `generate`, `review` and `label` say to programs."""

from __future__ import annotations

from typing import Any, Self

from gaslamp.core.contracts import Card
from gaslamp.core.document import Document, ErrorDocument, Part
from gaslamp.data.describe import Description
from gaslamp.data.generation.facts import Generation
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


class CheckPart(Part):
    """What one check of the rows found."""

    name: str
    title: str
    verdict: str  # passed, noted, fixed, warning, blocked, off
    count: int
    findings: list[str]  # the first ones, by place


class PreparedDocument(Document):
    """``make data JSON=1``: what will be learnt; data/report.html is the page of it."""

    done: list[str]  # what was changed in config.yaml to take up the file
    source: str
    format: str
    kind: str
    mapping: dict[str, str]  # role -> column
    rows: dict[str, int]  # train, valid, test, read ...
    max_length: int  # tokens
    too_long: int  # rows over it
    classes: list[str]
    generated: dict[str, Any]  # of rows that a model wrote: model, licence, split -> rows
    checks: list[CheckPart]
    warnings: list[str]
    page: str

    @classmethod
    def make(cls, card: Card, done: list[str], page: str) -> Self:
        """Of the data card."""
        checks = [
            CheckPart(
                name=one["name"],
                title=one["title"],
                verdict=one["verdict"],
                count=one["count"],
                findings=[f"{found['place']}: {found['text']}" for found in one["findings"]],
            )
            for one in card.checks
        ]
        return cls(
            done=done,
            source=card.source,
            format=card.format,
            kind=card.kind,
            mapping=card.columns,
            rows=card.rows,
            max_length=card.max_length,
            too_long=card.truncated,
            classes=list(card.classes),
            generated=card.generated,
            checks=checks,
            warnings=card.warnings,
            page=page,
        )


class GeneratedDocument(Document):
    """``make generate JSON=1``: what a model wrote; ``make review`` decides on it."""

    done: list[str]  # what was changed in config.yaml
    wanted: int
    accepted: int
    rejected: dict[str, int]  # kind of reason -> rows
    model: str
    url: str
    licence: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: float  # US dollars, by data.generate.price
    stopped: str | None  # why there are fewer rows than wanted
    file: str

    @classmethod
    def make(cls, facts: Generation, done: list[str], file: str) -> Self:
        """Of generation.json."""
        names = set(cls.model_fields) - {"schema_version", "done", "file"}
        return cls(done=done, file=file, **facts.model_dump(include=names))


class TextPart(Part):
    """One text of a row; ``key`` names it in a decision."""

    key: str
    name: str
    text: str
    fixed: bool  # it cannot be edited (a tool call)
    choices: list[str]  # what it may be; empty: any text


class RowPart(Part):
    """A row on the desk of ``make review`` or ``make label``, the one that matters most first."""

    id: str
    version: str  # of its decision
    state: str  # keep, edit, drop; empty: nothing is decided
    split: str
    notes: list[str]
    parts: list[TextPart]


class DeskDocument(Document):
    """``make review JSON=1``, ``make label JSON=1``: the rows and what is decided; ``DECIDE=file`` decides first."""

    title: str
    file: str  # of the decisions
    changed: int  # rows that DECIDE decided
    decided: int
    left_out: str
    classes: list[str]
    rows: list[RowPart]

"""Running text, for continued pre-training: one column, every token of it is learnt."""

from __future__ import annotations

from gaslamp.data.cells import find_column, first_value, get_text
from gaslamp.data.rows import Row, SourceRow

KIND = "text"
ORDER = 90
EXAMPLE = '{"text": "The lamp stood in the window, and the street was quiet."}'
REQUIRED = ("text",)
OPTIONAL = ()
READ_ANYWAY = ()
NAMES = ("text", "content", "document", "body", "markdown", "raw_content", "story", "article", "completion")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """A column of a usual name, or the only column."""
    column = find_column(columns, NAMES) or (
        columns[0] if len(columns) == 1 and len(str(first_value(rows, columns[0]) or "")) > 200 else None
    )
    return {"text": column} if column and isinstance(first_value(rows, column), str) else None


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The text as it stands."""
    return {"text": get_text(row, mapping["text"])}

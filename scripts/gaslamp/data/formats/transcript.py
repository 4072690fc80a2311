"""Whole conversations as one text, each turn behind its speaker: ``### Human: ...### Assistant: ...``."""

from __future__ import annotations

from gaslamp.data.cells import find_column, first_value, get_optional, get_text
from gaslamp.data.prompts import put_system
from gaslamp.data.rows import Row, SourceRow
from gaslamp.data.transcripts import is_transcript, split_transcript

KIND = "conversation"
ORDER = 42
EXAMPLE = '{"transcript": "\\n\\nHuman: 2 + 2?\\n\\nAssistant: 4"}'
REQUIRED = ("transcript",)
OPTIONAL = ("system",)
READ_ANYWAY = ()
NAMES = ("transcript", "text", "conversation", "dialogue", "dialog", "chat", "content")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """A column whose texts open with a speaker and hold an answer."""
    for name in NAMES:
        column = find_column(columns, (name,))
        value = first_value(rows, column) if column else None
        if column and isinstance(value, str) and is_transcript(value) and split_transcript(value)[-1]["role"] != "user":
            mapping = {"transcript": column}
            if system := find_column(columns, ("system", "system_prompt")):
                mapping["system"] = system
            return mapping
    return None


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The turns of the text.

    Raises:
        ValueError: it is no transcript, or ends without an answer.
    """
    column = mapping["transcript"]
    text = get_text(row, column)
    turns = split_transcript(text) if is_transcript(text) else []
    if not turns or turns[-1]["role"] == "user":
        raise ValueError(
            f"column '{column}' holds no conversation (Human: ... Assistant: ...) that ends with an answer"
        )
    return {"messages": put_system(turns, get_optional(row, mapping["system"]) if "system" in mapping else None)}

"""Whole conversations as one text, each turn behind its speaker: ``### Human: ...### Assistant: ...``."""

from __future__ import annotations

from gaslamp.data.cells import find_column, first_value, get_optional, get_text
from gaslamp.data.prompts import put_system
from gaslamp.data.rendered import split_rendered
from gaslamp.data.rows import Message, Row, SourceRow
from gaslamp.data.transcripts import is_transcript, split_transcript

KIND = "conversation"
ORDER = 42
EXAMPLE = '{"transcript": "\\n\\nHuman: 2 + 2?\\n\\nAssistant: 4"}'
REQUIRED = ("transcript",)
OPTIONAL = ("system",)
READ_ANYWAY = ()
NAMES = ("transcript", "text", "conversation", "dialogue", "dialog", "chat", "content", "sample")

LOOKED_AT = 20  # texts of a column of another name
LONG = 60  # letters of a cell that is no id and no label


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """A column whose texts open with a speaker and hold an answer."""
    for name in NAMES:
        column = find_column(columns, (name,))
        value = first_value(rows, column) if column else None
        if column and isinstance(value, str) and (turns := read_text(value)) and turns[-1]["role"] != "user":
            mapping = {"transcript": column}
            if system := find_column(columns, ("system", "system_prompt")):
                mapping["system"] = system
            return mapping
    for column in columns:
        if _holds_talks(column, rows) and not any(_is_long(name, rows) for name in columns if name != column):
            return {"transcript": column}
    return None


def _holds_talks(column: str, rows: list[SourceRow]) -> bool:
    """Whether nearly all texts of a column are conversations that end with an answer."""
    texts = [row[column] for row in rows if isinstance(row.get(column), str) and row[column].strip()]
    talks = [turns for text in texts[:LOOKED_AT] if len(turns := read_text(text)) > 1 and turns[-1]["role"] != "user"]
    return len(texts) >= 3 and len(talks) >= 0.8 * len(texts[:LOOKED_AT])


def _is_long(column: str, rows: list[SourceRow]) -> bool:
    """Whether a column holds texts too: then it is not certain which of them is learnt."""
    value = first_value(rows, column)
    return not isinstance(value, str | int | float | bool | None) or len(str(value or "")) > LONG


def read_text(text: str) -> list[Message]:
    """The turns of a text, by names of speakers or by the marks of a chat template; none when it has neither."""
    return split_transcript(text) if is_transcript(text) else split_rendered(text)


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The turns of the text.

    Raises:
        ValueError: it is no transcript, or ends without an answer.
    """
    column = mapping["transcript"]
    text = get_text(row, column)
    turns = read_text(text)
    if not turns or turns[-1]["role"] == "user":
        raise ValueError(
            f"column '{column}' holds no conversation (Human: ... Assistant: ...) that ends with an answer"
        )
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    if system and system.startswith("SYSTEM:"):  # of Glaive's sets: a name like those inside the text
        system = system.removeprefix("SYSTEM:").strip()
    return {"messages": put_system(turns, system)}

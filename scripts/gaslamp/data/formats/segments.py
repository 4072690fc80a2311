"""Axolotl's input_output: text in segments, each marked whether it is learnt.

No template, the text holds every special token itself.
"""

from __future__ import annotations

from gaslamp.data.cells import find_column, first_value, parse_list
from gaslamp.data.rows import Row, SourceRow

KIND = "text"
ORDER = 25
EXAMPLE = '{"segments": [{"label": false, "text": "Q: 2 + 2?\\nA:"}, {"label": true, "text": " 4"}]}'
REQUIRED = ("segments",)
OPTIONAL = ()
READ_ANYWAY = ()


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """A column called segments that holds objects of text and label."""
    column = find_column(columns, ("segments",))
    value = parse_list(first_value(rows, column)) if column else None
    is_segments = (
        isinstance(value, list) and value and isinstance(value[0], dict) and "text" in value[0] and "label" in value[0]
    )
    return {"segments": column} if column and is_segments else None


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The segments as one text, with [begin, end] of each learnt stretch as ``train``."""
    column = mapping["segments"]
    segments = parse_list(row.get(column))
    if not isinstance(segments, list) or not segments:
        raise ValueError(f"column '{column}' holds no list of segments")
    ranges: list[list[int]] = []
    at = 0
    for number, segment in enumerate(segments, 1):
        if (
            not isinstance(segment, dict)
            or not isinstance(segment.get("text"), str)
            or segment.get("label") not in (True, False)
        ):
            raise ValueError(f"column '{column}', segment {number} is no object of text and label (true or false)")
        end = at + len(segment["text"])
        if segment["label"] and end > at:
            ranges.append([at, end])
        at = end
    return {"text": "".join(segment["text"] for segment in segments), "train": ranges}

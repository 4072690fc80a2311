"""One training row as the model sees it, for the log: which text is learnt can be read there."""

from __future__ import annotations

from gaslamp.data.encode import split_row
from gaslamp.data.rows import Row
from gaslamp.models.template import Renderer


def describe_row(renderer: Renderer, row: Row) -> str:
    """The decoded tokens of each sequence of a row; what carries loss stands between >>> and <<<."""
    lines = ["the first training row as the model sees it; >>> what is learnt <<<"]
    for pieces in split_row(renderer, row):
        encoded = renderer.encode_pieces([pieces])[0]
        text, start = "", 0
        for end in range(1, len(encoded.ids) + 1):
            if end == len(encoded.ids) or encoded.trained[end] != encoded.trained[start]:
                part = renderer.tokenizer.decode(encoded.ids[start:end])
                text += f">>>{part}<<<" if encoded.trained[start] else part
                start = end
        lines.append(text)
    return "\n".join(lines)

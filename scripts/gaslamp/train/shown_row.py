"""One training row as the model sees it, for the log: which text is learnt can be read there."""

from __future__ import annotations

from types import ModuleType

from gaslamp.data.encode import split_row
from gaslamp.data.rows import Row
from gaslamp.models.template import Renderer


def describe_row(renderer: Renderer, row: Row, method: ModuleType) -> str:
    """The decoded tokens of each sequence of a row; what carries loss stands between >>> and <<<.

    Args:
        renderer: of the project.
        row: of the training data.
        method: its plug-in. One that scores texts learns no token.
    """
    scores = method.ARTEFACT == "classifier"
    note = getattr(method, "LOSS_NOTE", "")
    mark = "one score for the whole text of each side" if scores else ">>> what is learnt <<<"
    lines = [f"the first training row as the model sees it; {mark}{'; ' if note else ''}{note}"]
    for pieces in split_row(renderer, row):
        pieces = [(text, learnt and not scores) for text, learnt in pieces]
        encoded = renderer.encode_pieces([pieces])[0]
        text, start = "", 0
        for end in range(1, len(encoded.ids) + 1):
            if end == len(encoded.ids) or encoded.trained[end] != encoded.trained[start]:
                part = renderer.tokenizer.decode(encoded.ids[start:end])
                text += f">>>{part}<<<" if encoded.trained[start] else part
                start = end
        lines.append(text)
    return "\n".join(lines)

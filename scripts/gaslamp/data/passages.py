"""Passages that a question is answered from, as one text; in the shapes of retrieval and reading sets."""

from __future__ import annotations

from typing import Any

from gaslamp.data.cells import get_optional, parse_list
from gaslamp.data.rows import Message, SourceRow

TEXTS = (
    "text",
    "page_content",
    "content",
    "passage",
    "passage_text",
    "chunk",
    "sentences",
    "contexts",
    "paragraph_text",
)
"""Keys of the text of a passage, or of the texts of all (HotpotQA, PubMedQA, MS MARCO)."""
TITLES = ("title",)


def read_context(row: SourceRow, column: str) -> str | None:
    """The context of a row: its text, or its passages with a blank line between them; ``None`` when it is empty."""
    value = parse_list(row.get(column))
    passages = read_passages(value)
    if passages is None:
        return get_optional(row, column) if value not in ([], {}) else None
    return "\n\n".join(passages) or None


def put_context(messages: list[Message], row: SourceRow, column: str | None, place: int = -1) -> list[Message]:
    """The messages with the context of a row in front of one of them; unchanged without a context.

    Args:
        messages: of a prompt.
        row: of the source.
        column: of the context; ``None``: there is none.
        place: of the message in front of whose text it stands.

    Raises:
        ValueError: that message is no plain text.
    """
    context = read_context(row, column) if column else None
    if not context:
        return messages
    turn = messages[place]
    if not isinstance(turn["content"], str):
        raise ValueError(f"column '{column}' cannot stand in front of a turn that is no plain text")
    result = list(messages)
    result[place] = {**turn, "content": f"{context}\n\n{turn['content']}"}
    return result


def is_context(value: object) -> bool:
    """Whether a cell is a text or passages."""
    return isinstance(value, str) or read_passages(value) is not None


def read_passages(value: object) -> list[str] | None:
    """The texts of a list of passages, each below its title where it has one; ``None`` for anything else.

    Args:
        value: texts, objects with a text (LangChain's documents), pairs of title and sentences, or an object of lists
            (HotpotQA).
    """
    if isinstance(value, dict):
        return _read_columns(value)
    if not isinstance(value, list) or not value:
        return None
    found = [_read_passage(item) for item in value]
    return [text for text in found if text] if None not in found else None


def _read_columns(value: dict[str, Any]) -> list[str] | None:
    """The passages of an object that holds a list of texts and, of the same length, perhaps one of titles."""
    texts = next((value[key] for key in TEXTS if isinstance(value.get(key), list)), None)
    if not texts:
        return None
    named: list[object] = next((value[key] for key in TITLES if isinstance(value.get(key), list)), [])
    titles = named if len(named) == len(texts) else [None] * len(texts)
    return read_passages([[title, text] if title else text for title, text in zip(titles, texts, strict=True)])


def _read_passage(item: object) -> str | None:
    """The text of one passage; ``None`` when it is none."""
    if isinstance(item, str):
        return item.strip("\n")
    if isinstance(item, list):
        if len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], list):
            return _put_title(item[0], _join(item[1]))
        if len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], str):
            return _put_title(item[0], item[1])
        return _join(item)
    if not isinstance(item, dict):
        return None
    text = next((item[key] for key in TEXTS if isinstance(item.get(key), str | list)), None)
    text = _join(text) if isinstance(text, list) else text
    title = next((item[key] for key in TITLES if isinstance(item.get(key), str)), "")
    return _put_title(title, text)


def _put_title(title: str, text: str | None) -> str | None:
    return f"{title}\n{text}" if title and text else text


def _join(sentences: list[Any]) -> str | None:
    """Sentences as one text; ``None`` when they are none."""
    if not sentences or not all(isinstance(sentence, str) for sentence in sentences):
        return None
    spaced = any(sentence[:1].isspace() or sentence[-1:].isspace() for sentence in sentences)
    return ("" if spaced else " ").join(sentences).strip()

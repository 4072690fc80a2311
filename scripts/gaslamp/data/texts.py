"""All texts of a row, to look at or to change, for checks that look at the characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gaslamp.data.rows import KINDS, Message, Row, get_text

TURNS = ("messages", "prompt", "chosen", "rejected", "completion")
TEXTS = ("text", "anchor", "positive", "negative", "answer")


def get_texts(row: Row) -> Iterator[str]:
    """The texts of a row; none of a row of running text with marks, which holds its special tokens itself."""
    if "audio" in row or ("text" in row and "train" in row):
        return
    for key in {*TURNS, *TEXTS, *(key for keys in KINDS.values() for key in keys)}:
        value = row.get(key)
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (get_text(item) for item in value if isinstance(item, dict))


def change_texts(row: Row, change: Callable[[str], str]) -> Row:
    """The row with every text changed; turns and parts that stay as they are stay the same objects."""

    def change_message(message: Message) -> Message:
        content = message.get("content")
        if isinstance(content, str):
            changed = change(content)
            return message if changed == content else {**message, "content": changed}
        if isinstance(content, list):
            parts = [{**part, "text": change(part["text"])} if part.get("type") == "text" else part for part in content]
            return {**message, "content": parts}
        return message

    return {
        key: [change_message(item) if isinstance(item, dict) else item for item in value]
        if isinstance(value, list) and key in TURNS
        else change(value)
        if isinstance(value, str) and key in TEXTS
        else value
        for key, value in row.items()
    }


def show_around(text: str, begin: int, end: int, width: int = 20) -> str:
    """A place of a text with what stands around it, for a finding."""
    cut = text[max(0, begin - width) : end + width]
    return f"{'…' if begin > width else ''}{cut}{'…' if end + width < len(text) else ''}".replace("\n", " ")

"""Chats as they are copied out of Teams, Slack or Discord: name and time on a line, what was said below it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gaslamp.data.readers import limits
from gaslamp.data.readers.chat_text import LINE, write_time
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.opening import open_text

FEWEST = 4  # messages that show a chat
_NAME = r"[^\W\d_][^\n\[\]:?!]{0,38}?[^\W_.]"
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4},?"
_DAY = rf"(?:{_DATE}|[^\W\d_]{{3,10}}(?:\s\d{{1,2}})?,?|\d{{1,2}}\.? [^\W\d_]{{3,10}},?)"
_BEHIND = re.compile(
    rf"(?P<name>{_NAME})(?:(?:\s+[—–|-]\s+|\s{{2,}}|\t|,\s|\s?[(\[])(?:{_DAY}(?: at| um)?\s+)?|\s(?:{_DATE}\s+)?)"
    r"\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp]\.?[Mm]\.?)?[)\]]?\s*"
)
"""``Ida Holm  10:05 AM``, ``Ida Holm — 01/02/2024 10:05``, ``Ida Holm, Friday 10:05``."""


def read_head(line: str) -> tuple[str, str] | None:
    """Time and name of a line that is the head of a message; the time is empty without a date. ``None``: it is none."""
    match = LINE.fullmatch(line.strip())
    if match and re.fullmatch(_NAME, match["said"].strip()):
        return write_time(match, False), match["said"].strip()
    behind = _BEHIND.fullmatch(line.strip())
    return ("", behind["name"].strip()) if behind else None


def is_headed_chat(text: str) -> bool:
    """Whether a text is messages below heads: it begins with one, names come again, and every head has a text."""
    lines = [line for line in text.splitlines() if line.strip()][:400]
    heads = [read_head(line) for line in lines]
    names = [head[1] for head in heads if head]
    if len(names) < FEWEST or not heads[0] or 2 * len(set(names)) > len(names):
        return False
    empty = sum(one is not None and two is not None for one, two in zip(heads, heads[1:], strict=False))
    return empty <= 0.2 * len(names) and 5 * len(names) >= len(lines)


def read_headed_chat(reading: Reading) -> Iterator[Chunk]:
    """The messages: time, speaker and text."""
    reading.note("it is a chat: each message stands below its speaker and its time")
    rows: list[Numbered] = []
    with open_text(reading) as handle:
        for number, line in enumerate(handle, 1):
            if head := read_head(line):
                rows.append((number, {"time": head[0], "speaker": head[1], "text": ""}))
            elif rows:
                rows[-1][1]["text"] += line
    for _, row in rows:
        row["text"] = row["text"].strip()
    rows = [(number, row) for number, row in rows if row["text"]]
    for start in range(0, len(rows), limits.BATCH):
        yield Chunk(parse_rows, f"{reading.name}, line", 1, rows[start : start + limits.BATCH], reading.split)

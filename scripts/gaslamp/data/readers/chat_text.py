"""Chats as text, as WhatsApp exports them: a line begins with time and speaker, further lines belong to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.opening import open_text

LINE = re.compile(
    r"[\u200e\u200f\ufeff]*\[?(\d{1,4})[./-](\d{1,2})[./-](\d{1,4}),? (\d{1,2})[:.](\d{2})(?:[:.]\d{2})?"
    r"(?:[\s\u202f\u00a0]?([AaPp])\.?[\s\u00a0]?[Mm]\.?)?\]?(?: [-\u2013])? (.*)"
)
SPEAKER = re.compile(r"[\u200e\u200f~\u202f\s]*([^:\n]{1,60}): ?(.*)", re.DOTALL)
MEDIA = re.compile(
    r"[\u200e\s]*(<[^<>]*(omitted|ausgeschlossen|weggelassen|omitido|omis|omesso|attached:[^<>]*)>|"
    r"(image|video|audio|sticker|GIF|document|Contact card) omitted|"
    r"(This message was deleted|You deleted this message|Diese Nachricht wurde gel\xf6scht)\.?|null)[\u200e\s]*",
    re.IGNORECASE,
)


def is_chat(text: str) -> bool:
    """Whether most lines of a text begin with a time and a speaker, and there are two speakers."""
    lines = [line for line in text.splitlines() if line.strip()][:200]
    found = [match for line in lines if (match := LINE.match(line))]
    speakers = {name[1] for match in found if (name := SPEAKER.match(match[7]))}
    return len(found) >= 4 and 3 * len(found) >= len(lines) and len(speakers) >= 2


def read_chat(reading: Reading) -> Iterator[Chunk]:
    """The messages of a chat: time, speaker and text. Lines without a speaker (joins, encryption) are left out."""
    reading.note("it is a chat: each message has its time and its speaker")
    rows: list[Numbered] = []
    media = 0
    with open_text(reading) as handle:
        lines = [(number, line.rstrip("\r\n")) for number, line in enumerate(handle, 1)]
    month_first = any(int(match[2]) > 12 for _, line in lines if (match := LINE.match(line)) and len(match[1]) < 4)
    is_open = False  # whether the next line goes on with a message
    for number, line in lines:
        match = LINE.match(line)
        if not match:
            if is_open and rows:
                rows[-1][1]["text"] += f"\n{line}"
            continue
        said = SPEAKER.match(match[7])
        is_open = said is not None and not MEDIA.fullmatch(said[2])
        media += said is not None and not is_open
        if said and is_open:
            time = _write_time(match, month_first)
            rows.append((number, {"time": time, "speaker": said[1].strip(), "text": said[2]}))
    if media:
        reading.note(f"left out: {media} messages that are pictures, sounds or deleted")
    for start in range(0, len(rows), limits.BATCH):
        yield Chunk(parse_rows, f"{reading.name}, line", 1, rows[start : start + limits.BATCH], reading.split)


def _write_time(match: re.Match[str], month_first: bool) -> str:
    """The time of a message as ISO writes it; empty where its numbers are none."""
    first, second, third, hour, minute = (int(match[group]) for group in range(1, 6))
    half = (match[6] or "").lower()
    hour = hour % 12 + 12 * (half == "p") if half else hour
    if len(match[1]) == 4:
        year, month, day = first, second, third
    else:
        day, month, year = (second, first, third) if month_first else (first, second, third)
    year += 2000 * (year < 100)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00"

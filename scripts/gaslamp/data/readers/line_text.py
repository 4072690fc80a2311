"""Chats of LINE as text: a line for each day, below it time, speaker and text between tabs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.opening import open_text

_DAY = re.compile(
    r"(?P<week>\w{2,4}\.?, ?)?(?P<first>\d{1,4})[./-](?P<second>\d{1,2})[./-](?P<third>\d{1,4})\W{0,2}\w*\W?"
)
"""``2024/01/10(Wed)``, ``Wed, 1/10/2024``, ``2024.01.10 Wednesday``."""
_SAID = re.compile(
    r"(?P<before>[AaPp][Mm] ?|\u5348[\u524d\u5f8c]|\u4e0a\u5348|\u4e0b\u5348)?(?P<hour>\d{1,2}):(?P<minute>\d{2})"
    r"(?P<after> ?[AaPp][Mm])?\t(?P<rest>.*)"
)
_LATE = ("p", "\u5348\u5f8c", "\u4e0b\u5348")
"""How the second half of the day begins."""
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]{1,30}\]|\u260e.*", re.DOTALL)
"""What LINE writes for a sticker, a photo or a call, in any language."""


def is_line_chat(text: str) -> bool:
    """Whether a text is LINE's export: days on lines of their own, and messages between tabs."""
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()][:200]
    said = [match for line in lines if (match := _SAID.fullmatch(line))]
    return len(said) >= 4 and any(_DAY.fullmatch(line) for line in lines) and any("\t" in one["rest"] for one in said)


def read_line_chat(reading: Reading) -> Iterator[Chunk]:
    """The messages of a chat: time, speaker and text. What the program writes itself is left out."""
    reading.note("it is a chat of LINE: each message has its time and its speaker")
    rows: list[Numbered] = []
    day, is_open = "", False
    with open_text(reading) as handle:
        for number, line in enumerate(handle, 1):
            line = line.rstrip("\r\n")
            said = _SAID.fullmatch(line)
            if said and day:
                speaker, tab, text = said["rest"].partition("\t")
                is_open = bool(tab and speaker.strip())  # joins and calls have no speaker
                if is_open:
                    rows.append((number, {"time": f"{day}T{_get_time(said)}", "speaker": speaker, "text": text}))
            elif date := _DAY.fullmatch(line):
                day, is_open = _get_date(date), False
            elif is_open:
                rows[-1][1]["text"] += f"\n{line}"
    media = 0
    kept = []
    for number, row in rows:
        text = row["text"].rstrip("\n")
        if "\n" in text and text.startswith('"') and text.endswith('"'):  # so LINE holds several lines together
            text = text[1:-1]
        if _PLACEHOLDER.fullmatch(text):
            media += 1
        elif text.strip():
            kept.append((number, {**row, "text": text}))
    if media:
        reading.note(f"left out: {media} messages that are stickers, pictures or calls")
    for start in range(0, len(kept), limits.BATCH):
        yield Chunk(parse_rows, f"{reading.name}, line", 1, kept[start : start + limits.BATCH], reading.split)


def _get_time(said: re.Match[str]) -> str:
    half = (said["before"] or said["after"] or "").strip().casefold()
    hour = int(said["hour"])
    if half:
        hour = hour % 12 + 12 * half.startswith(_LATE)
    return f"{hour:02}:{said['minute']}:00"


def _get_date(date: re.Match[str]) -> str:
    first, second, third = (int(date[name]) for name in ("first", "second", "third"))
    if len(date["first"]) == 4:
        year, month, day = first, second, third
    else:  # behind a weekday Americans write the month first
        month_first = bool(date["week"]) and first <= 12 or second > 12
        month, day = (first, second) if month_first else (second, first)
        year = third
    return f"{year + 2000 * (year < 100):04}-{month:02}-{day:02}"

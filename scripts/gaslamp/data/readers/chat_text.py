"""Chats as text, as WhatsApp exports them: a line begins with time and speaker, further lines belong to it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.opening import open_text

MARKS = "[\u200e\u200f\u202a-\u202e\ufeff]*"
_DATE = (
    r"(?P<first>\d{1,4})(?:[./-]|[\ub144\u5e74])\s?(?P<second>\d{1,2})(?:[./-]|[\uc6d4\u6708])\s?"
    r"(?P<third>\d{1,4})[\uc77c\u65e5.]?"
)
_AT = r"(?:\s(?:klo|\u00e0|\u00e0s|a las|um|kl\.?|at|alle|om|\u0432))?"
_BEFORE = r"(?P<before>[\u4e00-\u9fff]{2}|\uc624[\uc804\ud6c4])?"  # the half of the day, where it stands in front
_AFTER = (
    r"(?:[\s\u202f\u00a0]?(?P<after>[AaPp]\.?[\s\u00a0\u202f]?[Mm]\.?|[\u0635\u0645]|[\u03c0\u03bc]\.?\s?\u03bc\.?|[ai]p\.|"
    r"\u00d6[\u00d6S]|SA|CH|d[eu]\.))?"
)
LINE = re.compile(
    rf"{MARKS}\[?{_DATE}[,\u060c]?{MARKS}{_AT}\s?{_BEFORE}\s?(?P<hour>\d{{1,2}})[:.](?P<minute>\d{{2}})(?:[:.]\d{{2}})?"
    rf"{_AFTER}\]?(?: [-\u2013]|,)? {MARKS}(?P<said>.*)"
)
"""Day, month and year in any order, the hour with its half, then what was said; digits of any script."""
PM = re.compile(
    r"[Pp\u0645]|\u03bc|ip|\u00d6S|CH|du|\uc624\ud6c4|\u4e0b\u5348|\u5348\u5f8c|\u665a\u4e0a|\u508d\u665a|\u4e2d\u5348"
)
"""How the second half of the day begins."""
_SIGNS = r"[\u200e\u200f\u202a-\u202e~\u202f\s]*"
SPEAKER = re.compile(rf"{_SIGNS}([^\n]{{1,60}}?)\s?:(?: |(?=[\u200e\u200f]|\Z))(.*)", re.DOTALL)
"""Who said what: the name ends at a colon with a space, so that ``Anna :)`` is a name."""
_CLOSE_SPEAKER = re.compile(rf"{_SIGNS}([^:\n]{{1,60}}?)\s?: ?(.*)", re.DOTALL)
"""The same in logs that write no space."""
_SECOND = re.compile(r"([^:\n]{1,40}): ")
POLL = re.compile(r"[\u200e\u200f\s]*([^\W\d_]{2,20})\s?[:\uff1a].*[(\uff08]\s?\d+\s?[^\W\d_]*\.?\s?[)\uff09]\s*")
"""An answer of a poll with its votes, in any language: ``OPTION: Friday (3 votes)``."""
MEDIA = re.compile(
    r"\s*(\u200e.*|<[^\W\d_][^<>\n]{3,60}>|[^\n]+\.\w{2,5} \([^()\n]{5,40}\)|"
    r"(image|video|audio|sticker|GIF|document|Contact card) omitted|"
    r"(This message was deleted|You deleted this message|Diese Nachricht wurde gel\xf6scht|Se elimin\xf3 este mensaje|"
    r"Eliminaste este mensaje|Ce message a \xe9t\xe9 supprim\xe9|Vous avez supprim\xe9 ce message|"
    r"Questo messaggio \xe8 stato eliminato|Hai eliminato questo messaggio|(Esta )?[Mm]ensagem (foi )?apagada|"
    r"Voc\xea apagou esta mensagem|Dit bericht is verwijderd|U hebt dit bericht verwijderd)\.?|null)[\u200e\s]*",
    re.IGNORECASE,
)
"""A message that is no text: what the program writes in its place, in brackets or behind a mark of direction."""
EDITED = re.compile(r"\s*\u200e?<[^\W\d_]+(?: [^\W\d_]+){2,7}\.?>\s*\Z")
"""What stands behind a message that was edited, in any language."""


def is_chat(text: str) -> bool:
    """Whether most lines of a text begin with a time and a speaker, and there are two speakers."""
    lines = [line for line in text.splitlines() if line.strip()][:200]
    found = [match for line in lines if (match := LINE.match(line))]
    speakers = {name[0] for match in found if (name := split_speaker(match["said"]))}
    return len(found) >= 4 and 3 * len(found) >= len(lines) and len(speakers) >= 2


def read_chat(reading: Reading) -> Iterator[Chunk]:
    """The messages of a chat: time, speaker and text. Lines without a speaker (joins, encryption) are left out."""
    reading.note("it is a chat: each message has its time and its speaker")
    rows: list[Numbered] = []
    media: set[int] = set()  # places in rows
    polls: set[int] = set()
    with open_text(reading) as handle:
        lines = [(number, line.rstrip("\r\n")) for number, line in enumerate(handle, 1)]
    month_first = any(
        int(match["second"]) > 12 for _, line in lines if (match := LINE.match(line)) and len(match["first"]) < 4
    )
    names = find_names([match["said"] for _, line in lines if (match := LINE.match(line))])
    if names:
        reading.note(f"names with a colon: {', '.join(sorted(names))}")
    is_open = False  # whether the next line goes on with a message
    for number, line in lines:
        match = LINE.match(line)
        if not match:
            if is_open:
                rows[-1][1]["text"] += f"\n{line}"
            continue
        said = split_speaker(match["said"], names)
        is_open = said is not None
        if said:
            is_media = MEDIA.fullmatch(said[1]) is not None
            media |= {len(rows)} if is_media else set()
            text = "" if is_media else said[1]  # the lines below a picture are its caption
            rows.append((number, {"time": write_time(match, month_first), "speaker": _trim(said[0]), "text": text}))
    for place, (_, row) in enumerate(rows):
        if is_poll(row["text"]):
            polls.add(place)
            row["text"] = ""
        row["text"] = EDITED.sub("", row["text"]).strip("\n")
    rows = [(number, row) for number, row in rows if row["text"].strip()]
    if media - polls:
        reading.note(f"left out: {len(media - polls)} messages that are pictures, sounds or deleted")
    if polls:
        reading.note(f"left out: {len(polls)} messages that are polls")
    for start in range(0, len(rows), limits.BATCH):
        yield Chunk(parse_rows, f"{reading.name}, line", 1, rows[start : start + limits.BATCH], reading.split)


def split_speaker(said: str, names: Collection[str] = ()) -> tuple[str, str] | None:
    """The name of the speaker and what was said; ``None`` for a line of the program.

    Args:
        said: a line behind its time.
        names: those of this chat that have a colon in them, from ``find_names``.
    """
    match = SPEAKER.match(said) or _CLOSE_SPEAKER.match(said)
    if match is None:
        return None
    for name in sorted(names, key=len, reverse=True):
        if said[match.start(1) :].startswith((f"{name}: ", f"{name}:\u200e")):
            return name, said[match.start(1) + len(name) + 1 :].removeprefix(" ")
    return match[1], match[2]


def find_names(said: Sequence[str]) -> set[str]:
    """The names with a colon and a space in them (``Team: Anna``): each line of that beginning goes on with the rest.

    Args:
        said: every line behind its time.
    """
    rest: dict[str, list[str | None]] = {}
    for line in said:
        if match := SPEAKER.match(line):
            second = _SECOND.match(match[2])
            rest.setdefault(match[1], []).append(second[1] if second else None)
    return {
        f"{first}: {second}"
        for first, seconds in rest.items()
        if len(seconds) >= 2 * len(set(seconds)) and None not in seconds
        for second in seconds
    }


def is_poll(text: str) -> bool:
    """Whether a message is a poll: a question, and two answers or more with the same word and their votes."""
    found = [match[1] for line in text.split("\n") if (match := POLL.fullmatch(line))]
    return len(found) >= 2 and len(set(found)) == 1


def _trim(name: str) -> str:
    """The name of a speaker without marks of direction."""
    return re.sub("[\u200e\u200f\u202a-\u202e]", "", name).strip()


def write_time(match: re.Match[str], month_first: bool) -> str:
    """The time of a message as ISO writes it; empty where its numbers are none."""
    first, second, third, hour, minute = (int(match[name]) for name in ("first", "second", "third", "hour", "minute"))
    half = match["before"] or match["after"]
    hour = hour % 12 + 12 * (PM.match(half) is not None) if half else hour
    if len(match["first"]) == 4:
        year, month, day = first, second, third
    else:
        day, month, year = (second, first, third) if month_first else (first, second, third)
    year += 2000 * (year < 100)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00"

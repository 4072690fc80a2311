"""Chats of LINE as text: a line for each day, below it time, speaker and text between tabs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.opening import open_text

_DAY = re.compile(
    r"(?P<week>\w{2,4}\.?, ?)?(?P<first>\d{1,4})[./-](?P<second>\d{1,2})[./-](?P<third>\d{1,4})\W{0,2}\w*\W?"
)
"""``2024/01/10(Wed)``, ``Wed, 1/10/2024``, ``2024.01.10 Wednesday``."""
_SAID = re.compile(
    r"(?P<before>[AaPp][Mm] ?|\u5348[\u524d\u5f8c]|\u4e0a\u5348|\u4e0b\u5348)?(?P<hour>\d{1,2}):(?P<minute>\d{2})"
    r"(?P<after> ?[AaPp][Mm])?(?P<part>\t| (?=\S))(?P<rest>.*)"
)
MOST = 3  # words of a name
SURE = 4
"""Messages that begin with the same words make them a name."""
_LATE = ("p", "\u5348\u5f8c", "\u4e0b\u5348")
"""How the second half of the day begins."""
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]{1,30}\]|\u260e.*", re.DOTALL)
"""What LINE writes for a sticker, a photo or a call, in any language."""


def is_line_chat(text: str) -> bool:
    """Whether a text is LINE's export: days on lines of their own, and messages between tabs, or blanks (Windows)."""
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()][:200]
    said = [match for line in lines if (match := _SAID.fullmatch(line))]
    if len(said) < 4 or not any(_DAY.fullmatch(line) for line in lines):
        return False
    if any(one["part"] == "\t" for one in said):
        return any("\t" in one["rest"] for one in said)
    names = find_speakers([one["rest"] for one in said])
    return 2 * len(said) > len(lines) and len(names) >= 2 and len(said) >= 2 * len(names)


def find_speakers(said: Sequence[str]) -> list[str]:
    """The names at the beginning of messages that have only a blank behind the name, the longest first.

    A name is a word, and goes on as long as what follows it comes again and again (``Ann Lee``).

    Args:
        said: each message behind its time.
    """
    names: list[str] = []
    groups = _group([("", text.split(" ")) for text in said])
    while groups:
        name, rests = groups.popitem()
        longer = _group([(name, rest) for rest in rests]) if all(len(rest) > 1 for rest in rests) else {}
        words = [word for beginning in longer if not (word := beginning.rpartition(" ")[2])[:1].islower()]
        is_name = len(words) == len(longer) and name.count(" ") < MOST - 1
        if longer and is_name and len(rests) >= SURE * len(longer):
            groups |= longer
        else:
            names.append(name)
    return sorted(names, key=len, reverse=True)


def _group(texts: list[tuple[str, list[str]]]) -> dict[str, list[list[str]]]:
    """Texts of words by a beginning and their next word."""
    groups: dict[str, list[list[str]]] = {}
    for start, (first, *rest) in texts:
        groups.setdefault(f"{start} {first}".strip(), []).append(rest)
    return groups


def read_line_chat(reading: Reading) -> Iterator[Chunk]:
    """The messages of a chat: time, speaker and text. What the program writes itself is left out."""
    reading.note("it is a chat of LINE: each message has its time and its speaker")
    rows: list[Numbered] = []
    day, is_open = "", False
    names: list[str] = []
    with open_text(reading) as handle:
        found = [match for line in handle if (match := _SAID.fullmatch(line.rstrip("\r\n")))]
    if not any(match["part"] == "\t" for match in found):
        names = find_speakers([match["rest"] for match in found])
        reading.note(f"only blanks part names and messages; the names are {', '.join(sorted(names)[:8])}")
    with open_text(reading) as handle:
        for number, line in enumerate(handle, 1):
            line = line.rstrip("\r\n")
            said = _SAID.fullmatch(line)
            if said and not names and said["part"] == " ":  # a line of a message that begins with a time
                said = None
            if said and day:
                speaker, tab, text = _split(said["rest"], names)
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


def _split(rest: str, names: list[str]) -> tuple[str, str, str]:
    """Speaker, what parts it from the message, and the message; without names a tab parts them."""
    if not names:
        return rest.partition("\t")
    name = next((name for name in names if rest.startswith(f"{name} ")), "")
    return name, " " if name else "", rest[len(name) + 1 :]


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

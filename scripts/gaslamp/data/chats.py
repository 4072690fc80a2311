"""Chats that people export, a message in each row: they become conversations, a new one after each long pause.

WhatsApp (text), Telegram (result.json), Discord (DiscordChatExporter, JSON and CSV), Slack (a folder of channels),
mails (.mbox, .eml). Who of the speakers is the assistant is a question for the person (``speakers``).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gaslamp.data.flat_turns import Place, pack
from gaslamp.data.readers.chunks import Chunk, Problem
from gaslamp.data.rows import SourceRow
from gaslamp.data.speakers import get_said, get_speaker

PAUSE = 6 * 3600  # seconds, after which another conversation begins
LONGEST = 60  # messages of one conversation
SHAPES = {
    "a chat": ({"time", "speaker", "text"}, {}),
    "mails": ({"time", "speaker", "text", "thread"}, {}),
    "Discord": ({"AuthorID", "Author", "Date", "Content"}, {"speaker": "Author", "text": "Content", "time": "Date"}),
    "Discord's JSON": ({"timestamp", "content", "author", "type"}, {"time": "timestamp"}),
    "Telegram": ({"id", "type", "date", "text", "from"}, {"time": "date"}),
    "Slack": ({"ts", "text", "type", "user"}, {"time": "ts"}),
}
"""Program -> columns of a message that only it has, and where things stand that are called otherwise."""
FORMATS = ("%d-%b-%y %I:%M %p", "%m/%d/%Y %I:%M %p", "%d/%m/%Y %H:%M", "%m/%d/%y, %I:%M %p", "%d.%m.%Y %H:%M")


@dataclass(frozen=True)
class Shape:
    """What the rows are: messages of a program, or (``nested``) chats with a column of such messages."""

    program: str
    nested: str = ""


@dataclass
class Talk:
    """The messages of one channel or thread while they are read."""

    place: Place
    messages: list[tuple[float | None, str, str]] = field(default_factory=list)


def find_shape(rows: list[SourceRow]) -> Shape | None:
    """The program that wrote the rows; ``None`` when they are no messages of a chat."""
    if program := _find_program(rows):
        return Shape(program)
    for column in ("messages", "message"):
        values = [row[column] for row in rows if isinstance(row.get(column), list) and row[column]]
        if values and len(values) == len(rows):
            items = [item for item in values[0][:20] if isinstance(item, dict)]
            if program := _find_program(items):
                return Shape(program, column)
    return None


def _find_program(rows: list[SourceRow]) -> str:
    """The program of most rows: single ones (joins, calls) lack a column."""
    for program in reversed(SHAPES):
        wanted, _ = SHAPES[program]
        fitting = sum(wanted <= set(row) for row in rows)
        if fitting and (2 * fitting > len(rows)) and not any("role" in row for row in rows):
            return program
    return ""


def unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the conversations of a chat export; its messages are held in memory.

    Args:
        chunks: starts a pass over the rows of the file.
        shape: from ``find_shape``.
        notes: takes up what was decided.
    """
    return partial(_unfold, chunks, shape, notes)


def _unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Iterator[Chunk]:
    problems: list[Problem] = []
    talks: dict[str, Talk] = {}
    skipped = count = 0
    names = SHAPES[shape.program][1]
    for chunk in chunks():
        for number, row in chunk.read(problems):
            inner = row.get(shape.nested) if shape.nested else [row]
            items: list[Any] = inner if isinstance(inner, list) else []
            chat = str(row.get("name") or _get_name(row.get("channel")) or "") if shape.nested else ""
            for item in items:
                if not isinstance(item, dict) or not (message := _read(item, names)):
                    skipped += 1
                    continue
                thread = item.get("thread") or item.get("thread_ts") or ""
                key = chat or chunk.label.rpartition("/")[0] or chunk.label
                talk = talks.setdefault(f"{key}\0{thread}", Talk((chunk.label, number, chunk.split)))
                talk.messages.append(message)
                count += 1
    rows: list[tuple[Place, SourceRow]] = []
    alone = 0
    for talk in talks.values():
        for session in _divide(talk.messages, shape.program != "mails"):
            if len({speaker for _, speaker, _ in session}) < 2:
                alone += 1
                continue
            turns = [{"from": speaker, "value": text} for _, speaker, text in session]
            rows.append((talk.place, {"messages": turns}))
    left = [f"{skipped} rows without a text or a speaker"] * bool(skipped)
    left += [f"{alone} pieces with one speaker alone"] * bool(alone)
    note = (
        f"read as {shape.program if shape.program in ('mails', 'a chat') else 'a chat of ' + shape.program}: {count} "
        f"messages are {len(rows)} conversations"
        + ("" if shape.program == "mails" else ", a new one after six hours of silence")
        + (f"; left out: {', '.join(left)}" if left else "")
    )
    if note not in notes:
        notes.append(note)
    yield from pack(rows, problems)


def _get_name(value: object) -> str:
    return str(value.get("name", "")) if isinstance(value, dict) else ""


def _read(item: SourceRow, names: dict[str, str]) -> tuple[float | None, str, str] | None:
    """Time, speaker and text of a message; ``None`` for what a program notes: joins, calls, media."""
    if item.get("subtype") not in (None, "", "thread_broadcast", "bot_message", "file_share"):
        return None
    turn = {**item, **{role: item.get(column) for role, column in names.items() if role != "time"}}
    profile = item.get("user_profile")
    if isinstance(profile, dict):
        turn["from"] = profile.get("display_name") or profile.get("real_name") or item.get("user")
    speaker, text = get_speaker(turn), get_said(turn)
    return (read_time(item.get(names.get("time", "time"))), speaker, text) if speaker and text else None


def read_time(value: object) -> float | None:
    """A time as seconds since 1970; ``None`` for what is none."""
    text = str(value or "").strip()
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return _seconds(datetime.datetime.fromisoformat(text))
    except ValueError:
        pass
    for form in FORMATS:
        try:
            return _seconds(datetime.datetime.strptime(text, form))
        except ValueError:
            continue
    return None


def _seconds(time: datetime.datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=datetime.UTC)).timestamp()


def _divide(
    messages: list[tuple[float | None, str, str]], by_pause: bool
) -> Iterator[list[tuple[float | None, str, str]]]:
    """The conversations of a channel, in the order of time where every message has one."""
    if all(time is not None for time, _, _ in messages):
        messages = sorted(messages, key=lambda message: message[0] or 0.0)
    piece: list[tuple[float | None, str, str]] = []
    for message in messages:
        last = piece[-1][0] if piece else None
        paused = by_pause and last is not None and message[0] is not None and message[0] - last > PAUSE
        if paused or (len(piece) >= LONGEST and piece[-1][1] != message[1]):
            yield piece
            piece = []
        piece.append(message)
    if piece:
        yield piece

"""Chats that people export, a message in each row: they become conversations, a new one after each long pause.

WhatsApp (text), Telegram (result.json), Discord (DiscordChatExporter, JSON and CSV), Slack (a folder of channels),
Messenger and Instagram, Google Chat, Teams, mails (.mbox, .eml), tables of sender, time and message. Who of them is
the assistant is a question for the person (``speakers``).
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gaslamp.data.cells import find_column
from gaslamp.data.chat_marks import read_messenger, read_slack, read_teams
from gaslamp.data.flat_turns import ROLES, TIMES, Place, pack
from gaslamp.data.meaning.names import get_hint, normalize
from gaslamp.data.readers.chunks import Chunk, Problem
from gaslamp.data.rows import SourceRow
from gaslamp.data.speakers import get_said, get_speaker
from gaslamp.data.turns import PLAIN, get_role

TABLE = "a table of messages"
PAUSE = 6 * 3600  # seconds, after which another conversation begins
LONGEST = 60  # messages of one conversation
SHAPES = {
    "a chat": ({"time", "speaker", "text"}, {}),
    "mails": ({"time", "speaker", "text", "thread"}, {}),
    "Discord": ({"AuthorID", "Author", "Date", "Content"}, {"speaker": "Author", "text": "Content", "time": "Date"}),
    "Discord's JSON": ({"timestamp", "content", "author", "type"}, {"time": "timestamp"}),
    "Telegram": ({"id", "type", "date", "text", "from"}, {"time": "date"}),
    "Slack": ({"ts", "text", "type", "user"}, {"time": "ts"}),
    "Messenger": ({"sender_name", "timestamp_ms"}, {"speaker": "sender_name", "time": "timestamp_ms"}),
    "Teams": ({"from", "body", "messageType"}, {"time": "createdDateTime"}),
    "Google Chat": ({"creator", "created_date", "text"}, {"speaker": "creator", "time": "created_date"}),
}
"""Program -> columns of a message that only it has, and where things stand that are called otherwise."""
SENDERS = ("sender", "speaker", "from", "talker", "participant", "sender_name", "from_name")
"""Columns that name who wrote a message; an author or a user may also have written a review."""
MESSAGES = ("message", "text", "content", "body", "msg", "message_text", "utterance")
SENT = (*TIMES, "createtime", "create_time", "sent", "date_time", "message_time")
OTHERS = ("answer", "label", "rating", "question", "summary", "title", "winner", "reasoning")
"""Meanings of a column that make a table something else than a chat."""
FORMATS = (
    "%d-%b-%y %I:%M %p",
    "%m/%d/%Y %I:%M %p",
    "%d/%m/%Y %H:%M",
    "%m/%d/%y, %I:%M %p",
    "%d.%m.%Y %H:%M",
    "%A, %B %d, %Y at %I:%M:%S %p %Z",
    "%d.%m.%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
)


@dataclass(frozen=True)
class Shape:
    """What the rows are: messages of a program, or (``nested``) chats with a column of such messages."""

    program: str
    nested: str = ""
    names: dict[str, str] = field(default_factory=dict)


@dataclass
class Talk:
    """The messages of one channel or thread while they are read."""

    place: Place
    messages: list[tuple[float | None, str, str]] = field(default_factory=list)


def find_shape(rows: list[SourceRow]) -> Shape | None:
    """The program that wrote the rows; ``None`` when they are no messages of a chat."""
    if program := _find_program(rows):
        return Shape(program, "", SHAPES[program][1])
    for column in ("messages", "message"):
        values = [row[column] for row in rows if isinstance(row.get(column), list) and row[column]]
        if values and len(values) == len(rows):
            items = [item for item in values[0][:20] if isinstance(item, dict)]
            if program := _find_program(items):
                return Shape(program, column, SHAPES[program][1])
    return None


def find_table(rows: list[SourceRow]) -> Shape | None:
    """A table with a message in each row and no number of a conversation; ``None`` for another table.

    Its turns name roles, user and assistant among them; or a few senders come again, with a time, and no column is an
    answer, a class or a rating.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    speaker, text = find_column(columns, (*ROLES, *SENDERS)), find_column(columns, MESSAGES)
    time = next((name for name in columns if normalize(name) in SENT), None)
    if not (speaker and text) or len(rows) < 4 or not all(isinstance(row.get(text), str) for row in rows):
        return None
    who = [row.get(speaker) for row in rows if row.get(speaker) not in (None, "")]
    if not all(isinstance(name, str) for name in who):
        return None
    names = {"speaker": speaker, "text": text, **({"time": time} if time else {})}
    roles = {get_role(name) for name in who}
    if {"user", "assistant"} <= roles <= set(PLAIN):
        return Shape(TABLE, "", names)
    rest = [name for name in columns if name not in names.values()]
    other = [name for name in rest if (hint := get_hint(name)) and hint.concept in OTHERS]
    if any(len({str(row.get(name)) for row in rows}) > 1 for name in other):
        return None
    timed = time and all(read_time(row.get(time)) is not None for row in rows)
    again = 2 <= len(set(who)) <= len(rows) / 3
    return Shape(TABLE, "", names) if timed and again and normalize(speaker) in SENDERS else None


def _find_program(rows: list[SourceRow]) -> str:
    """The program of most rows: single ones (joins, calls) lack a column."""
    for program in reversed(SHAPES):
        wanted, _ = SHAPES[program]
        fitting = sum(wanted <= set(row) for row in rows)
        if fitting and (2 * fitting > len(rows)) and not any("role" in row for row in rows):
            return program
    return ""


def unfold(
    chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str], people: Mapping[str, str] | None = None
) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the conversations of a chat export; its messages are held in memory.

    Args:
        chunks: starts a pass over the rows of the file.
        shape: from ``find_shape``.
        notes: takes up what was decided.
        people: id -> name, of Slack; what a message itself says of its sender comes first.
    """
    return partial(_unfold, chunks, shape, notes, people or {})


def _unfold(
    chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str], known: Mapping[str, str]
) -> Iterator[Chunk]:
    problems: list[Problem] = []
    talks: dict[str, Talk] = {}
    people = dict(known)
    columns: dict[str, None] = {}
    skipped = count = 0
    for chunk in chunks():
        for number, row in chunk.read(problems):
            columns |= dict.fromkeys(row)
            inner = row.get(shape.nested) if shape.nested else [row]
            items: list[Any] = inner if isinstance(inner, list) else []
            chat = str(row.get("name") or _get_name(row.get("channel")) or "") if shape.nested else ""
            for item in items:
                if not isinstance(item, dict) or not (message := _read(item, shape.names)):
                    skipped += 1
                    continue
                thread = item.get("thread") or item.get("thread_ts") or ""
                key = chat or chunk.label.rpartition("/")[0] or chunk.label
                key = "" if shape.program == "mails" else key  # a thread goes on in other files
                if isinstance(item.get("user"), str) and message[1] != item["user"]:
                    people[item["user"]] = message[1]
                talk = talks.setdefault(f"{key}\0{thread}", Talk((chunk.label, number, chunk.split)))
                talk.messages.append(message)
                count += 1
    rows: list[tuple[Place, SourceRow]] = []
    alone = 0
    pauses = shape.program != "mails" and any(
        _is_answered(session) for talk in talks.values() for session in _divide(talk.messages, True)
    )
    for talk in talks.values():
        for session in _divide(talk.messages, pauses):
            if not _is_answered(session):
                alone += 1
                continue
            turns = [_show(shape.program, speaker, text, people) for _, speaker, text in session]
            rows.append((talk.place, {"messages": turns}))
    left = [f"{skipped} rows without a text or a speaker"] * bool(skipped)
    left += [
        f"{alone} {'mails that nobody answers here' if shape.program == 'mails' else 'pieces with one speaker alone'}"
    ] * bool(alone)
    if shape.program == TABLE and (unread := [name for name in columns if name not in shape.names.values()]):
        left.append(f"the column{'' if len(unread) == 1 else 's'} {', '.join(unread)}")
    by_pause = (
        f", a new one after {LONGEST} messages, as six hours of silence lie before every answer"
        if not pauses and rows
        else ", a new one after six hours of silence"
        if shape.names.get("time", "time") in columns or shape.nested
        else (f", a new one after {LONGEST} messages, as no column says where one ends")
    )
    note = (
        f"read as {shape.program if shape.program in ('mails', 'a chat', TABLE) else 'a chat of ' + shape.program}: "
        f"{count} messages are {len(rows)} conversations"
        + ("" if shape.program == "mails" else by_pause)
        + (f"; left out: {', '.join(left)}" if left else "")
    )
    if note not in notes:
        notes.append(note)
    yield from pack(rows, problems)


def _is_answered(session: list[tuple[float | None, str, str]]) -> bool:
    """Whether a piece has messages of two people."""
    return len({speaker for _, speaker, _ in session}) > 1


def _show(program: str, speaker: str, text: str, people: dict[str, str]) -> SourceRow:
    """A turn as the program showed it."""
    if program == "Slack":
        return {"from": people.get(speaker, speaker), "value": read_slack(text, people)}
    if program == "Messenger":
        return {"from": read_messenger(speaker), "value": read_messenger(text)}
    return {"from": speaker, "value": text}


def _get_name(value: object) -> str:
    return str(value.get("name", "")) if isinstance(value, dict) else ""


def _read(item: SourceRow, names: dict[str, str]) -> tuple[float | None, str, str] | None:
    """Time, speaker and text of a message; ``None`` for what a program notes: joins, calls, media."""
    if item.get("subtype") not in (None, "", "thread_broadcast", "bot_message", "file_share"):
        return None
    turn = {**item, **{role: item.get(column) for role, column in names.items() if role != "time"}}
    if "text" in names:  # of a table: whatever else its other columns hold
        turn = {role: turn[role] for role in ("speaker", "text")}
    if isinstance(body := item.get("body"), dict) and "content" in body:  # Teams
        turn["content"] = read_teams(body)
    profile = item.get("user_profile")
    if isinstance(profile, dict):
        turn["from"] = profile.get("display_name") or profile.get("real_name") or item.get("user")
    speaker, text = get_speaker(turn), get_said(turn)
    return (read_time(item.get(names.get("time", "time"))), speaker, text) if speaker and text else None


def read_time(value: object) -> float | None:
    """A time, of milliseconds too, as seconds since 1970; ``None`` for what is none."""
    text = str(value or "").strip()
    try:
        number = float(text)
        return number / 1000 if number > 1e11 else number  # milliseconds
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

"""Tables with a message in each row: a conversation's number, who wrote it, and the text. They become conversations.

So do ticket systems, chat tools and data bases export. Rows of one conversation need not follow each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gaslamp.data.cells import find_column
from gaslamp.data.meaning.names import normalize
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, parse_rows
from gaslamp.data.rows import SourceRow
from gaslamp.data.turns import PLAIN, get_role

IDS = (
    *("conversation_id", "conv_id", "conversation", "conversation_hash", "dialog_id", "dialogue_id", "chat_id"),
    *("thread_id", "thread", "session_id", "session", "ticket_id", "ticket", "case_id", "convo_id", "group_id"),
)
ROLES = (
    "role",
    "sender",
    "speaker",
    "author",
    "from",
    "sender_type",
    "author_role",
    "author_type",
    "participant",
    "direction",
)
TEXTS = ("content", "text", "message", "body", "utterance", "value", "message_text")
NUMBERS = (
    "turn",
    "turn_id",
    "turn_index",
    "utterance_idx",
    "index",
    "position",
    "seq",
    "step",
    "message_index",
    "order",
)
TIMES = ("created_at", "timestamp", "time", "date", "sent_at", "datetime", "created")
PRIVATE = (
    *("private", "is_private", "internal", "is_internal", "internal_note", "is_internal_note", "is_note", "hidden"),
    *("public", "is_public"),
)
"""Columns that say whether the customer saw a message."""
TRUE, FALSE = ("true", "1", "yes", "t", "y"), ("false", "0", "no", "f", "n")
AGENTS = ("admin", "teammate", "staff", "employee", "outgoing", "outbound")
CLIENTS = ("requester", "end_user", "end-user", "enduser", "lead", "contact", "incoming", "inbound")
"""Who writes in a ticket system; elsewhere an admin may be anybody."""
IDENTITIES = ("id", "message_id", "msg_id", "uuid", "parent_id", "author_name", "author_id", "user_id")
"""Columns that differ from message to message and say nothing that could be learnt."""
KEPT = ("tool_calls", "tool_call_id", "name")
ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
Place = tuple[str, int, str | None]


@dataclass(frozen=True)
class Columns:
    """The columns of a table of messages; ``order``: a number or time that sorts a conversation, when there is one."""

    conversation: str
    role: str
    text: str
    order: str | None


@dataclass
class Talk:
    """One conversation while it is read."""

    place: Place
    messages: list[tuple[Any, SourceRow]] = field(default_factory=list)
    shared: SourceRow = field(default_factory=dict)


def find_columns(rows: list[SourceRow]) -> Columns | None:
    """The columns of a table of messages; ``None`` when the rows are something else.

    Conversations have several rows, and every row names one of two roles or more.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    found = [find_column(names, wanted) for wanted in (IDS, ROLES, TEXTS)]
    conversation, role, text = found
    if not (conversation and role and text) or len(set(found)) < 3 or len(rows) < 4:
        return None
    roles = {get_side(row.get(role)) for row in rows if row.get(role) not in (None, "")}
    ids = [str(row.get(conversation)) for row in rows]
    if not roles <= {*PLAIN, "call"} or not {"user", "assistant"} <= roles or len(set(ids)) > len(ids) / 1.5:
        return None
    if not all(row.get(text) is None or isinstance(row.get(text), str) for row in rows):
        return None
    order = find_column(names, NUMBERS)
    if order and not all(_get_number(row.get(order)) is not None for row in rows):
        order = None
    if order is None and (time := find_column(names, TIMES)):
        order = time if all(ISO.fullmatch(str(row.get(time))) for row in rows) else None
    return Columns(conversation, role, text, order)


def get_side(name: object) -> str:
    """The role of who wrote a message of a ticket system."""
    lower = name.strip().lower() if isinstance(name, str) else ""
    return "assistant" if lower in AGENTS else "user" if lower in CLIENTS else get_role(name)


@lru_cache(64)
def _find_private_column(names: tuple[str, ...]) -> str | None:
    return find_column(list(names), PRIVATE)


def find_private(row: SourceRow) -> str | None:
    """The column that says that a message is a note among colleagues; ``None``: the customer saw it."""
    column = _find_private_column(tuple(row))
    if column is None:
        return None
    value = str(row[column]).strip().lower()
    return column if value in (FALSE if "public" in column.lower() else TRUE) else None


def _get_number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def unfold(chunks: Callable[[], Iterator[Chunk]], columns: Columns, notes: list[str]) -> Iterator[Chunk]:
    """The conversations of a table; all its messages are held in memory.

    Args:
        chunks: starts a new pass over the rows.
        columns: from ``find_columns``.
        notes: takes up what was decided, once all rows were read.
    """
    problems: list[Problem] = []
    talks: dict[str, Talk] = {}
    count = 0
    notes_left: dict[str, int] = {}
    dropped: dict[str, None] = {}  # columns
    own = {columns.conversation, columns.role, columns.text, columns.order, *KEPT}
    for chunk in chunks():
        for number, row in chunk.read(problems):
            talk = talks.setdefault(str(row.get(columns.conversation)), Talk((chunk.label, number, chunk.split)))
            rest = {key: value for key, value in row.items() if key not in own}
            shared = rest if not talk.messages else _intersect(talk.shared, rest)
            dropped |= dict.fromkeys(name for name in talk.shared if name not in shared)
            talk.shared = shared
            if private := find_private(row):
                notes_left[private] = notes_left.get(private, 0) + 1
            elif isinstance(row.get(columns.text), str) and row[columns.text].strip():
                count += 1
                talk.messages.append((_get_order(row, columns.order, len(talk.messages)), row))
    rows: list[tuple[Place, SourceRow]] = []
    joined = unanswered = 0
    for name, talk in talks.items():
        turns, merged = _read_talk(talk, columns)
        joined += merged
        if not turns:
            unanswered += 1
            continue
        rows.append((talk.place, {"messages": turns, "group": name, **talk.shared}))
    by = f", sorted by {columns.order}" if columns.order else ""
    more = f"; {joined} messages are joined with one of the same role before them" if joined else ""
    left = f"; left out, nobody answers: {unanswered} conversations" if unanswered else ""
    left += "".join(f"; left out, '{name}' says so: {number} messages" for name, number in notes_left.items())
    if lost := [name for name in dropped if normalize(name) not in (*PRIVATE, *TIMES, *NUMBERS, *IDENTITIES)]:
        left += f"; not kept, since it differs between the messages of a conversation: {', '.join(lost)}"
    note = f"{count} messages are joined into {len(rows)} conversations by {columns.conversation}{by}{more}{left}"
    if note not in notes:
        notes.append(note)
    yield from pack(rows, problems)


def _intersect(first: SourceRow, second: SourceRow) -> SourceRow:
    return {key: value for key, value in first.items() if key in second and second[key] == value}


def _get_order(row: SourceRow, column: str | None, position: int) -> Any:
    if column is None:
        return position
    number = _get_number(row.get(column))
    return number if number is not None else str(row.get(column))


def _read_talk(talk: Talk, columns: Columns) -> tuple[list[SourceRow], int]:
    """The turns up to the last answer, and how many messages were joined with the one before them."""
    turns: list[SourceRow] = []
    merged = 0
    for _, row in sorted(talk.messages, key=lambda item: item[0]):
        role = get_side(row[columns.role])
        more = {key: row[key] for key in KEPT if row.get(key)}
        last = turns[-1] if turns else {}
        if last.get("role") == role in ("user", "assistant", "system") and not more and len(last) == 2:
            last["content"] += f"\n{row[columns.text]}"
            merged += 1
        else:
            turns.append({"role": role, "content": row[columns.text], **more})
    while turns and turns[-1]["role"] not in ("assistant", "call"):
        turns.pop()
    return turns, merged


def pack(rows: list[tuple[Place, SourceRow]], problems: list[Problem]) -> Iterator[Chunk]:
    """Rows as chunks: those that follow each other in one file together.

    Args:
        rows: each with the label of its chunk, its number there, and the split of its file.
        problems: what could not be read; the first chunk has them.
    """
    numbered: list[Numbered] = []
    label, split = "", None
    left = tuple(problems)
    for (own, number, own_split), row in rows:
        if numbered and (own, own_split) != (label, split):
            yield Chunk(parse_rows, label, numbered[0][0], numbered, split, left)
            numbered, left = [], ()
        label, split = own, own_split
        numbered.append((number, row))
    if numbered or left:
        yield Chunk(parse_rows, label, numbered[0][0] if numbered else 1, numbered, split, left)

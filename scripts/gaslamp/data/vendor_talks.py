"""Turns of conversations in shapes of their own: pairs of speaker and text, objects of lists, other keys."""

from __future__ import annotations

import re
from collections.abc import Callable

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import parse_list
from gaslamp.data.rows import SourceRow
from gaslamp.data.turns import CONTENT_KEYS, PLAIN, get_role

Take = Callable[[SourceRow], list[SourceRow] | None]
"""The rows that a row becomes; none where nothing in it can be learnt, ``None`` for a row of another kind."""
SIDES = ("user", "assistant")
SPEAKERS = ("speaker", "agent", "rolle", "rol", "role", "from", "talker", "participant")
NUMBERED = re.compile(r"\d+_(?=[^\W\d])")
"""``0_Apprentice``: who begins."""


def join_turns(turns: list[tuple[str, str]]) -> list[SourceRow]:
    """A conversation up to its last answer as a row; none where nobody answers."""
    messages: list[JsonObject] = []
    for role, text in turns:
        if not text.strip() or (role == "assistant" and not messages):
            continue
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n{text}"
        else:
            messages.append({"role": role, "content": text})
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()
    return [{"messages": messages}] if messages else []


def take_log(row: SourceRow) -> list[SourceRow] | None:
    """The conversation of a log in which user and system take turns (MultiWOZ 2.1): only the system has metadata."""
    turns = row["log"]
    if not isinstance(turns, list) or not all(
        isinstance(one, dict) and isinstance(one.get("text"), str) for one in turns
    ):
        return None
    if not turns or any(bool(one.get("metadata")) != bool(place % 2) for place, one in enumerate(turns)):
        return None
    return join_turns([(SIDES[place % 2], one["text"].strip()) for place, one in enumerate(turns)])


def take_talk(column: str) -> Take:
    """The turns of a column as turns with a speaker: pairs of speaker and text, columns of lists, other keys."""

    def take(row: SourceRow) -> list[SourceRow] | None:
        turns = _read_turns(row[column])
        return (
            None
            if turns is None
            else [{**{name: value for name, value in row.items() if name != column}, "messages": turns}]
        )

    return take


def _read_turns(value: object) -> list[JsonObject] | None:
    value = parse_list(value)
    if isinstance(value, dict):  # what `datasets` makes of a list of objects
        lists = {key: items for key, items in value.items() if isinstance(items, list)}
        if len({len(items) for items in lists.values()}) != 1:
            return None
        value = [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one) for one in value):
        known = [(get_role(who), text) for who, text in value]
        said = [(role, text) for role, text in known if role in PLAIN]
        return (
            [{"role": role, "content": text} for role, text in said]
            if {"user", "assistant"} <= dict(said).keys()
            else None
        )
    if not all(isinstance(one, dict) for one in value):
        return None
    who = next((key for key in SPEAKERS if all(key in one for one in value)), None)
    text = next((key for key in CONTENT_KEYS if all(isinstance(one.get(key), str) for one in value)), None)
    if who is None or text is None:
        return None
    return [{"from": _name(one[who]), "value": one[text]} for one in value]


def _name(speaker: object) -> str:
    return f"speaker {speaker}" if isinstance(speaker, int) else NUMBERED.sub("", str(speaker))


def keep_plain(take: Take, column: str) -> Take:
    """What reads the turns of a column. Rows whose turns are in a shape that is read as it stands are left alone."""

    def read(row: SourceRow) -> list[SourceRow] | None:
        value = parse_list(row[column])
        first = value[0] if isinstance(value, list) and value else value
        numbered = isinstance(first, dict) and NUMBERED.match(str(first.get("speaker", "")))
        plain = isinstance(first, dict) and any(key in first for key in ("role", "from", "speaker"))
        return None if plain and not isinstance(value, dict) and not numbered else take(row)

    return read

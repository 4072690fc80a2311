"""Conversations whose turns name people instead of roles: one of them is the assistant, and nothing here says who."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gaslamp.data.cells import parse_list
from gaslamp.data.rows import LeftOut, Message, SourceRow
from gaslamp.data.turns import CONTENT_KEYS, PLAIN, ROLES, get_role

ROLE = "answers_of"
"""Setting of data.columns: the name of the speaker whose turns are learnt."""
KEYS = ("from", "role", "speaker", "author", "sender", "name", "user")
SHARE = 0.3  # of the conversations in which a speaker must be to be one of the choices


def get_speaker(turn: object) -> str:
    """Who says a turn, as the file writes it; empty for nobody."""
    if not isinstance(turn, dict):
        return ""
    value = next((turn[key] for key in KEYS if turn.get(key)), "")
    if isinstance(value, dict):
        inner = next(
            (value[key] for key in ("user", "application") if isinstance(value.get(key), dict)), value
        )  # Teams
        value = inner if "displayName" in inner else value
        value = next(
            (value[key] for key in ("nickname", "real_name", "displayName", "name", "id") if value.get(key)), ""
        )
    return str(value).strip()


def get_said(turn: Mapping[str, object]) -> str:
    """The text of a turn; of Telegram's list of pieces all of them in one."""
    value = next((turn[key] for key in CONTENT_KEYS if turn.get(key)), "")
    if isinstance(value, list):
        value = "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in value)
    return str(value).strip()


def find_speakers(rows: list[SourceRow], column: str) -> list[str]:
    """The speakers of the conversations of a column, who answers others most often first; empty where turns name roles.

    Args:
        rows: the sample.
        column: of lists of turns.
    """
    here: Counter[str] = Counter()  # conversations in which a speaker is
    answers: Counter[str] = Counter()  # turns that follow one of somebody else
    talks = 0
    for row in rows:
        turns = parse_list(row.get(column))
        names = [name for turn in turns if (name := get_speaker(turn))] if isinstance(turns, list) else []
        if any(get_role(name) in {*PLAIN, *ROLES.values(), *ROLES} for name in names):
            return []
        here.update(dict.fromkeys(names, 1))
        answers.update(name for before, name in zip(names, names[1:], strict=False) if before != name)
        talks += bool(names)
    often = [name for name in here if here[name] >= SHARE * talks]
    return sorted(often, key=lambda name: (-answers[name], name)) if len(here) > 1 else []


def read_named(value: object, column: str, assistant: str) -> list[Message]:
    """Turns of people as a conversation up to the last answer of one of them; everyone else is the user.

    Messages of one side in a row become one turn. Where several people are the user, their names stand in front.

    Raises:
        LeftOut: the speaker answers nobody here.
        ValueError: the cell holds no turns.
    """
    turns = parse_list(value)
    if not isinstance(turns, list) or not turns:
        raise ValueError(f"column '{column}' holds no list of turns")
    said = [(get_speaker(turn), get_said(turn)) for turn in turns if isinstance(turn, dict)]
    others = {name for name, text in said if text and name not in (assistant, "")}
    messages: list[Message] = []
    for name, text in said:
        role = "assistant" if name == assistant else "user"
        if not text or (role == "assistant" and not messages):
            continue
        text = f"{name}: {text}" if role == "user" and len(others) > 1 else text
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n{text}"
        else:
            messages.append({"role": role, "content": text})
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()
    if not messages:
        raise LeftOut(f"column '{column}': {assistant} answers nobody in this conversation")
    return messages

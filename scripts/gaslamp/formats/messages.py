"""Conversations: a column of {role, content} turns; ShareGPT's {from, value} is the same thing with other names."""

from __future__ import annotations

from typing import Any

from gaslamp.rows import Row

KIND = "conversation"
EXAMPLE = '{"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}'
ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}


def detect(columns: list[str], rows: list[dict[str, Any]]) -> dict[str, str] | None:
    """The column that holds the turns, when the first row has one."""
    for name in ("messages", "conversations", "conversation"):
        if name in columns and isinstance(rows[0].get(name), list):
            return {"messages": name}
    return None


def convert(row: dict[str, Any], mapping: dict[str, str]) -> Row:
    """The turns of one row. Raises ValueError with what is wrong with it."""
    turns = row.get(mapping["messages"])
    if not isinstance(turns, list) or not turns:
        raise ValueError(f"column '{mapping['messages']}' holds no list of turns")
    messages = []
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, dict):
            raise ValueError(f"turn {number} is not an object with role and content")
        role, content = turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))
        if not isinstance(role, str) or not isinstance(content, str):
            raise ValueError(f"turn {number} lacks a text role or content")
        messages.append({"role": ROLES.get(role, role), "content": content})
    return {"messages": messages}

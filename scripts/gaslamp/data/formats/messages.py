"""Conversations: a column of {role, content} turns (ChatML, OpenAI).

ShareGPT's {from, value} is the same with other names.

A ``system`` column is the first turn where there is none; a ``tools`` column lists what may be called.
"""

from __future__ import annotations

from typing import Any

from gaslamp.data.calls import read_tools
from gaslamp.data.cells import find_column, first_value, get_optional, parse_list
from gaslamp.data.prompts import put_system
from gaslamp.data.rows import Row, SourceRow
from gaslamp.data.turns import is_turns, read_turns

KIND = "conversation"
ORDER = 30
EXAMPLE = '{"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}'
REQUIRED = ("messages",)
NAMES = (
    "messages",
    "conversations",
    "conversation",
    "dialog",
    "dialogue",
    "chat",
    "turns",
    "completion",
)
OPTIONAL = ("system", "tools")
SYSTEM = ("system", "system_prompt", "system_message")
TOOLS = ("tools", "functions")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """The column that holds the turns, when the first rows have one."""
    for name in NAMES:
        column = find_column(columns, (name,))
        value = first_value(rows, column) if column else None
        if name == "completion" and not (
            is_turns(value) and len(parse_list(value)) > 1 and not find_column(columns, ("prompt",))
        ):
            continue  # an answer with its prompt in another column
        if column and (is_turns(value) or _is_conversation(value)):
            mapping = {"messages": column}
            for role, names in (("system", SYSTEM), ("tools", TOOLS)):
                if found := find_column(columns, names):
                    mapping[role] = found
            return mapping
    return None


def _is_conversation(value: Any) -> bool:
    """A list of texts of two speakers in turn, without roles."""
    value = parse_list(value)
    return isinstance(value, list) and len(value) > 1 and all(isinstance(turn, str) for turn in value)


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The turns of one row.

    Raises:
        ValueError: says what is wrong with the row.
    """
    column = mapping["messages"]
    value = row.get(column)
    if _is_conversation(value):
        texts = parse_list(value)
        messages = [
            {"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(texts)
        ]
    else:
        messages = read_turns(value, column)
    system = get_optional(row, mapping.get("system", "system"))
    result: Row = {"messages": put_system(messages, system)}
    tools = mapping.get("tools", "tools")
    given = row.get(tools)
    if given not in (None, [], "[]") and not (isinstance(given, str) and not given.strip()):
        result["tools"] = read_tools(given, tools)
    return result

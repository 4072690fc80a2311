"""Conversations: a column of {role, content} turns (ChatML, OpenAI).

ShareGPT's {from, value}, Gemini's {role, parts}, the blocks of Anthropic and Bedrock, and rounds of a question and an
answer are the same with other names (``turns``, ``talks``).

A ``system`` column is the first turn where there is none; a ``tools`` column lists what may be called.
"""

from __future__ import annotations

from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.calls import read_tools
from gaslamp.data.cells import find_column, first_value, parse_list
from gaslamp.data.meaning.names import get_hint
from gaslamp.data.order import sort_results
from gaslamp.data.passages import is_context, put_context, read_context
from gaslamp.data.prompts import put_system, read_system
from gaslamp.data.rows import Message, Row, SourceRow
from gaslamp.data.speakers import ROLE as ANSWERS_OF
from gaslamp.data.speakers import find_speakers, read_named
from gaslamp.data.talks import is_talk, read_talk
from gaslamp.data.turns import get_role, is_turns

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
    "contents",
    "chat_history",
    "chat_messages",
    "items",
    "utterances",
    "completion",
    "data",
)
OPTIONAL = ("system", "tools", "context", ANSWERS_OF)
READ_ANYWAY = ("system", "tools")
SYSTEM = ("system", "system_prompt", "system_message", "system_instruction", "systeminstruction", "sys", "instructions")
ANSWERS = ("completion", "response", "answer", "output", "generation", "chosen_response")
TOOLS = ("tools", "functions", "tool_config", "toolconfig", "available_tools")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """The column that holds the turns, when the first rows have one."""
    for name in NAMES:
        column = find_column(columns, (name,))
        value = first_value(rows, column) if column else None
        if name == "completion" and not (
            is_turns(value) and len(parse_list(value)) > 1 and not find_column(columns, ("prompt",))
        ):
            continue  # an answer with its prompt in another column
        if column and is_talk(value) and not (_is_open(value) and find_column(columns, ANSWERS)):
            mapping = {"messages": column}
            if _has_authors(value) and (context := find_column(columns, ("context",))):
                mapping["system"] = context  # of PaLM's chats
            for role, names in (("system", SYSTEM), ("tools", TOOLS)):
                if found := find_column(columns, names):
                    mapping[role] = found
            return mapping
    return None


def get_readings(columns: list[str], rows: list[SourceRow]) -> list[tuple[str, dict[str, str], str]]:
    """Who the assistant can be, where turns name people; a single reading where they name roles."""
    mapping = detect(columns, rows)
    if not mapping:
        return []
    names = find_speakers(rows, mapping["messages"])
    if not names:
        plain = ("messages", mapping, "the columns of the format messages")
        context = _find_context(columns, rows, mapping)
        if not context:
            return [plain]
        first = f"'{context}' stands in front of the first question"
        return [
            ("messages with context", {**mapping, "context": context}, first),
            (*plain[:2], f"the turns alone, without '{context}'"),
        ]
    return [
        (f"answers of {name}", {**mapping, ANSWERS_OF: name}, f"{name} is the assistant, everyone else the user")
        for name in names
    ]


def _find_context(columns: list[str], rows: list[SourceRow], mapping: dict[str, str]) -> str | None:
    """The column of passages next to the turns, which say nothing of them; ``None`` without one."""
    for column in columns:
        hint = get_hint(column)
        if column in mapping.values() or not (hint and hint.exact) or hint.concept not in ("context", "text"):
            continue
        if column.lower() in UNRELATED or not is_context(first_value(rows, column)):
            continue
        filled = [(row, read_context(row, column)) for row in rows if row.get(column)]
        held = sum(bool(text) and str(text) in str(row.get(mapping["messages"])) for row, text in filled)
        if filled and 2 * held < len(filled) and len({text for _, text in filled}) > 1:
            return column
    return None


UNRELATED = ("text", "prompt", "message", "description", "original")
"""Columns next to turns that hold the same rendered, or something about them."""


def _is_open(value: Any) -> bool:
    """Whether turns end without an answer, which another column may hold."""
    turns = parse_list(value)
    return is_turns(turns) and isinstance(turns[-1], dict) and get_role(turns[-1].get("role")) == "user"


def _has_authors(value: Any) -> bool:
    turns = parse_list(value)
    return is_turns(turns) and "author" in turns[0]


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The turns of one row.

    Raises:
        ValueError: says what is wrong with the row.
    """
    column = mapping["messages"]
    if ANSWERS_OF in mapping:
        return {"messages": read_named(row.get(column), column, mapping[ANSWERS_OF])}
    inner = row.get(column)
    if isinstance(inner, dict):  # {"messages": [...], "tools": [...]}
        row = {**row, **{key: item for key, item in inner.items() if key in OPTIONAL}}
    messages = sort_results(read_talk(row.get(column), column))
    tools = mapping.get("tools", "tools")
    given = row.get(tools)
    if messages[0]["role"] == "system" and "tools" in messages[0]:  # GLM's system turn holds them
        own = messages[0].pop("tools")
        given = own if given in (None, "", [], "[]") else given
        if not messages[0]["content"]:
            del messages[0]
    messages = put_system(messages, read_system(row, mapping.get("system", "system")))
    if "context" in mapping:
        first = next((place for place, turn in enumerate(messages) if turn["role"] == "user"), 0)
        messages = put_context(messages, row, mapping["context"], first)
    result: Row = {"messages": messages}
    if given not in (None, [], "[]") and not (isinstance(given, str) and not given.strip()):
        listed = read_tools(given, tools)
        if not messages or not lists_tools(messages[0], listed):
            result["tools"] = listed
    return result


def lists_tools(first: Message, tools: list[JsonObject]) -> bool:
    """Whether a system turn already lists the tools with their parameters, as in Hermes' sets.

    The chat template would list them a second time.
    """
    text = first["content"]
    if first["role"] != "system" or not isinstance(text, str) or '"parameters"' not in text:
        return False
    return all(f'"{tool.get("function", tool).get("name")}"' in text for tool in tools)

"""The system prompt of a conversation: read, added, or put into the first user turn."""

from __future__ import annotations

from gaslamp.data.rows import Message, Row


def get_system(row: Row) -> str | None:
    """The text of the system turn of a row; None without one."""
    turns = row.get("messages") or row.get("prompt")
    first = turns[0] if isinstance(turns, list) and turns else {}
    text = first.get("content") if first.get("role") == "system" else None
    return text if isinstance(text, str) else None


def add_system(row: Row, system: str) -> Row:
    """``row`` with data.system in front where it has no system turn of its own."""
    key = "messages" if "messages" in row else "prompt"
    turns = row.get(key)
    if isinstance(turns, list) and turns and turns[0].get("role") != "system":
        return {**row, key: [{"role": "system", "content": system}, *turns]}
    return row


def put_system_into_user(row: Row) -> Row:
    """``row`` with its system turn as the beginning of the first user turn, for templates that take no system turn."""
    key = "messages" if "messages" in row else "prompt"
    turns = row.get(key)
    if not isinstance(turns, list) or len(turns) < 2 or [turn["role"] for turn in turns[:2]] != ["system", "user"]:
        return row
    system, user, *rest = turns
    content = user["content"]
    merged = (
        f"{system['content']}\n\n{content}"
        if isinstance(content, str)
        else [{"type": "text", "text": f"{system['content']}\n\n"}, *content]
    )
    turn = {**user, "content": merged}
    if isinstance(user.get("train"), list):  # its ranges count the characters of the user's own text
        shift = len(system["content"]) + 2
        turn["train"] = [[begin + shift, end + shift] for begin, end in user["train"]]
    return {**row, key: [turn, *rest]}


def begin_with_system(messages: list[Message], system: str | None, as_user: bool) -> list[Message]:
    """A conversation of a user with the system prompt where the model was trained to find it.

    Args:
        messages: from the first user turn on.
        system, as_user: of data/card.json.
    """
    if not system:
        return messages
    row = add_system({"prompt": messages}, system)
    turns: list[Message] = (put_system_into_user(row) if as_user else row)["prompt"]
    return turns


def describe_system(system: str, as_user: bool) -> str:
    """What whoever calls the model must know of its system prompt."""
    if as_user:
        return f"the model was trained with this text and an empty line in front of the first question: {system}"
    return f"the model was trained with this system prompt, send it too: {system}"

"""The order of the turns of a row: what chat templates mean, and what is no conversation."""

from __future__ import annotations

from gaslamp.data.calls import holds_call
from gaslamp.data.rows import Message, Row, get_text

ROLES = ("system", "user", "assistant", "tool")


def find_order_problem(row: Row) -> str | None:
    """What is wrong with the order of a row's turns, or ``None``."""
    if "messages" in row:
        return _walk(row["messages"], "user", end="assistant")
    if "prompt" not in row:
        return None
    prompt = row["prompt"]
    problem = _walk(prompt, "user", end="user")
    for key in ("chosen", "rejected", "completion"):
        if problem is None and key in row:
            problem = _walk(row[key], "assistant", end="assistant", called=bool(prompt) and calls_tool(prompt[-1]))
            problem = f"{key}: {problem}" if problem else None
    return problem


def calls_tool(message: Message) -> bool:
    """Whether a turn calls a tool, as a call of its own or in its text."""
    return bool(message.get("tool_calls")) or (message["role"] == "assistant" and holds_call(get_text(message)))


def _walk(messages: list[Message], first: str, end: str, called: bool = False) -> str | None:
    roles = [str(message["role"]) for message in messages]
    if unknown := sorted(set(roles) - set(ROLES)):
        return f"unknown role {', '.join(unknown)} (known: {', '.join(ROLES)})"
    shown = ", ".join(roles if len(roles) <= 6 else [*roles[:6], "..."])
    expected, may_answer = {first}, called
    ids: set[str] = set()  # of the calls of the last answer
    for number, message in enumerate(messages, 1):
        role = message["role"]
        if role == "system" and number == 1 and first == "user":
            continue
        if role == "tool":
            if not may_answer:
                return f"turn {number} is of a tool that nobody called (turns: {shown})"
            if ids and message.get("tool_call_id", min(ids)) not in ids:
                called_ids = ", ".join(sorted(ids))
                return f"turn {number} answers the call {message['tool_call_id']}, but called were {called_ids}"
            expected = {"assistant", "user"}  # Anthropic's user may say more next to a result
        elif role not in expected:
            wanted = " or ".join(sorted(expected))
            return f"turn {number} is of {role}, but {wanted} should follow (turns must alternate: {shown})"
        else:
            expected = {"assistant"} if role == "user" else {"user"}
            if role == "assistant":
                ids = {str(call["id"]) for call in message.get("tool_calls") or () if call.get("id")}
            may_answer = calls_tool(message)
    if not roles or roles == ["system"]:
        return "there is no turn"
    # a prompt may also end with what a tool returned
    if roles[-1] != end and not (end == "user" and roles[-1] == "tool"):
        return f"the last turn must be of {end} (turns: {shown})"
    return None

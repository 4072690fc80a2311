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


def repair_order(messages: list[Message], key: str) -> list[Message]:
    """Turns in order, without new words.

    Two turns of one role are joined with a blank line; a system turn in the middle becomes part of the user turn next
    to it; an answer before the first question is left out, and what stands behind the last answer of a conversation.

    Args:
        messages: the turns.
        key: ``messages`` for a conversation, ``prompt`` for a prompt, which ends with a question.
    """
    turns: list[Message] = []
    held = ""  # a system turn, for the next user turn
    for number, message in enumerate(messages):
        role = message["role"]
        if role == "system" and turns and number:
            if turns[-1]["role"] == "user" and _is_text(message, turns[-1]):
                turns[-1] = _join(turns[-1], message)
            else:
                held = f"{held}\n\n{get_text(message)}" if held else get_text(message)
            continue
        if held and role == "user" and isinstance(message["content"], str):
            message, held = {**message, "content": f"{held}\n\n{message['content']}"}, ""
        if role == "assistant" and not any(turn["role"] == "user" for turn in turns):
            continue
        last = turns[-1] if turns else None
        if last and last["role"] == role in ("user", "assistant") and _is_text(last, message):
            turns[-1] = _join(last, message)
        else:
            turns.append(message)
    end = ("assistant",) if key == "messages" else ("user", "tool")
    while turns and turns[-1]["role"] not in end:
        turns.pop()
    return turns


def _is_text(*messages: Message) -> bool:
    """Whether turns are words alone, with the same marks of what is learnt: these can be joined."""
    marks = {str(message.get("train")) for message in messages if message["role"] != "system"}
    return len(marks) <= 1 and all(
        isinstance(message["content"], str)
        and not message.get("tool_calls")
        and not isinstance(message.get("train"), list)
        for message in messages
    )


def _join(first: Message, second: Message) -> Message:
    return {**first, "content": f"{first['content']}\n\n{second['content']}"}


def sort_results(messages: list[Message]) -> list[Message]:
    """Turns with the results of parallel calls in the order of the calls; the same list when they are.

    A chat template that shows no ids gives each result to the call at its place.
    """
    result = messages
    for number, message in enumerate(messages):
        calls = message.get("tool_calls")
        if not calls or len(calls) < 2:
            continue
        end = number + 1
        while end < len(messages) and messages[end]["role"] == "tool":
            end += 1
        ids = [call.get("id") for call in calls]
        results = messages[number + 1 : end]
        known = [turn.get("tool_call_id") for turn in results]
        if len(results) < 2 or None in ids or not set(known) <= set(ids) or len(set(known)) < len(known):
            continue
        ordered = sorted(results, key=lambda turn, ids=ids: ids.index(turn["tool_call_id"]))  # type: ignore[misc]
        if ordered != results:
            result = [*result[: number + 1], *ordered, *result[end:]]
    return result

"""Turns of a conversation as messages, whatever their keys and roles are called."""

from __future__ import annotations

from gaslamp.data.calls import read_calls
from gaslamp.data.cells import parse_list, to_text
from gaslamp.data.parts import DETAILS, MARKS, Part, get_ranges, join_parts, put_thought, read_mark, read_parts
from gaslamp.data.rows import Message

ROLES = {
    "human": "user",
    "prompter": "user",
    "customer": "user",
    "input": "user",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "output": "assistant",
    "agent": "assistant",
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
    "function-response": "tool",
    "tool_response": "tool",
    "ipython": "tool",
    "function_call": "call",
    "function-call": "call",
    "tool_call": "call",
}
"""Other names of system, user, assistant and tool; ``call`` is an assistant turn that holds tool calls as JSON."""
ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value", "text")
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
PLAIN = frozenset(("user", "assistant", "system", "tool"))


def is_turns(value: object) -> bool:
    """Whether a value is a list of turns, or the JSON of one."""
    value = parse_list(value)
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and any(key in value[0] for key in ROLE_KEYS)
    )


def read_turns(value: object, column: str) -> list[Message]:
    """Turns as messages {role, content, ...}, whatever their keys and roles are called.

    Raises:
        ValueError: names column and turn.
    """
    value = parse_list(value)
    if not isinstance(value, list) or not value:
        raise ValueError(f"column '{column}' holds no list of turns")
    return [read_turn(turn, column, number) for number, turn in enumerate(value, 1)]


def read_turn(turn: object, column: str, number: int = 1) -> Message:
    """One turn as a message; other keys than role, content and marks are kept.

    Marks of what is learnt become ``train``: false for an assistant turn that carries no loss, true for another turn
    that does, or a list of [begin, end] for some characters of ``content``. Without ``train`` assistant turns are
    learnt, others not.

    Raises:
        ValueError: names column and turn.
    """
    if type(turn) is not dict:
        raise ValueError(f"column '{column}', turn {number} is not an object with role and content")
    if (
        len(turn) == 2
        and "role" in turn
        and "content" in turn
        and type(turn["content"]) is str
        and turn["role"] in PLAIN
    ):  # nearly all
        return {"role": turn["role"], "content": turn["content"]}
    role_key = next((key for key in ROLE_KEYS if key in turn), "role")
    content_key = next((key for key in CONTENT_KEYS if key in turn), "content")
    role, content = turn.get(role_key), turn.get(content_key)
    if not isinstance(role, str) or not role.strip():
        raise ValueError(f"column '{column}', turn {number} has no role")
    lower = role.strip().lower()
    role = ROLES.get(lower, lower)
    place = f"column '{column}', turn {number}"
    used = (role_key, content_key, *MARKS, *DETAILS, *(REASONING_KEYS if role == "assistant" else ()))
    rest = {key: item for key, item in turn.items() if key not in used and item is not None and item != []}
    calls = rest.pop("tool_calls", None)
    if role == "call":
        role, calls, content = "assistant", read_calls(content, column, number), ""
    elif calls is not None:
        calls = read_calls(calls, column, number)
    if "function_call" in rest and role == "assistant" and calls is None:  # OpenAI's older key
        calls = read_calls(rest.pop("function_call"), column, number)
    learnt = read_mark(turn, place)
    if isinstance(content, str | dict | int | float):
        parts = [Part(to_text(content))]
    elif content is None or isinstance(content, list):
        parts = read_parts(content, calls is not None, place)
    else:
        raise ValueError(f"{place}: its content is no text")
    if made := [part.call for part in parts if part.call is not None]:
        calls = [*(calls or ()), *(call for value in made for call in read_calls(value, column, number))]
        parts = [part for part in parts if part.call is None]
    if role == "assistant" and (thought := next((turn[key] for key in REASONING_KEYS if turn.get(key)), None)):
        parts = put_thought(
            read_parts(thought, False, place) if isinstance(thought, list) else [Part(to_text(thought))], parts
        )
    message: Message = {"role": role, "content": join_parts(parts)}
    if calls:
        message["tool_calls"] = calls
    detail = next((turn[key] for key in DETAILS if turn.get(key)), None)
    if any(part.learnt is not None for part in parts) or detail is not None:
        message["train"] = get_ranges(message, parts, detail, learnt, place)
    elif learnt is not None:
        message["train"] = learnt
    if message.get("train") is (role == "assistant"):  # the default
        del message["train"]
    return {**message, **rest}

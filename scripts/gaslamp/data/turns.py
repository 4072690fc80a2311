"""Turns of a conversation as messages, whatever their keys and roles are called.

The shapes of OpenAI (chat and responses), ShareGPT, Anthropic, Gemini, Bedrock, Cohere and those that Axolotl,
LLaMA-Factory and ms-swift read. One turn may become several messages: Anthropic and Bedrock put the results of tools
into a user turn.
"""

from __future__ import annotations

from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.calls import read_calls
from gaslamp.data.cells import parse_list, to_text
from gaslamp.data.langchain import is_langchain, read_langchain
from gaslamp.data.parts import (
    DETAILS,
    MARKS,
    NAMES,
    Part,
    get_ranges,
    join_parts,
    put_thought,
    read_mark,
    read_parts,
    read_result,
)
from gaslamp.data.rows import Message

ROLES = {
    "developer": "system",
    "human": "user",
    "prompter": "user",
    **dict.fromkeys(
        ("customer", "client", "caller", "visitor", "kunde", "kundin", "nutzer", "benutzer", "cliente", "usuario"),
        "user",
    ),
    **dict.fromkeys(("utilisateur", "utente", "gebruiker", "用户", "客户", "顾客"), "user"),
    "input": "user",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatbot": "assistant",
    "ai": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "output": "assistant",
    **dict.fromkeys(("agent", "advisor", "representative", "operator", "support", "helpdesk", "berater"), "assistant"),
    **dict.fromkeys(("beraterin", "assistent", "asistente", "assistente", "助手", "客服"), "assistant"),
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
    "function-response": "tool",
    "function_call_output": "tool",
    "tool_response": "tool",
    "tool-response": "tool",
    "tool_result": "tool",
    "tool_output": "tool",
    "tool_outputs": "tool",
    "ipython": "tool",
    "environment": "tool",
    "function_call": "call",
    "function-call": "call",
    "tool_call": "call",
    "tool-call": "call",
    "tool_calls": "call",
    "thought": "thought",
    "thoughts": "thought",
    "thinking": "thought",
    "reasoning": "thought",
}
"""Other names of system, user, assistant and tool.

``call`` is an assistant turn that holds tool calls as JSON, ``thought`` is the reasoning of the answer after it.
"""
ROLE_KEYS = ("role", "from")
WEAK_ROLE_KEYS = ("speaker", "author", "sender")
"""Keys that name a role only when their value is a role that is known."""
ROLE_FLAGS = {"is_human": ("user", "assistant"), "is_user": ("user", "assistant"), "is_bot": ("assistant", "user")}
"""Keys whose value says whether a person wrote the turn: the role when it is true, and when it is not."""
CONTENT_KEYS = ("content", "value", "text", "parts", "message", "utterance", "mes")
SAYING = ("content", "value", "text", "utterance")
"""Those of them that can only be what is said."""
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
ITEMS = ("function_call", "function_call_output", "reasoning")
"""Turns of OpenAI's responses that name no role."""
PLAIN = frozenset(("user", "assistant", "system", "tool"))
THOUGHT_KEY = " thought"
"""Marks a message that is only the reasoning of the next answer, until that is read."""


def is_turns(value: object) -> bool:
    """Whether a value is a list of turns, or the JSON of one."""
    value = parse_list(value)
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and is_turn(value[0])


def is_turn(value: JsonObject) -> bool:
    """Whether an object names a role."""
    if any(key in value for key in ROLE_KEYS):
        return True
    if any(isinstance(value.get(key), bool) for key in ROLE_FLAGS):
        return any(key in value for key in CONTENT_KEYS)
    lower = {key.lower(): item for key, item in value.items() if isinstance(key, str)}
    if "role" in lower or isinstance(lower.get("parts"), list):  # Gemini's first turn may leave the role out
        return True
    if isinstance(lower.get("type"), str) and lower["type"] in ITEMS:
        return True
    return is_langchain(value) or (
        any(get_role(lower.get(key)) in PLAIN for key in WEAK_ROLE_KEYS) and any(key in lower for key in CONTENT_KEYS)
    )


def get_role(name: object) -> str:
    """The role that a name means, as one of ROLES; an unknown one in lower case; "" for no name."""
    if not isinstance(name, str):
        return ""
    lower = name.strip().lower()
    return ROLES.get(lower, lower)


def is_plain(turn: object) -> bool:
    """Whether a turn is {role, content} already, with a role of ours and a text."""
    return (
        type(turn) is dict
        and len(turn) == 2
        and "role" in turn
        and "content" in turn
        and type(turn["content"]) is str
        and turn["role"] in PLAIN
    )


def read_turns(value: object, column: str) -> list[Message]:
    """Turns as messages {role, content, ...}, whatever their keys and roles are called.

    What belongs to one message and stands in several turns is joined: system and developer at the beginning, reasoning
    and its answer, an answer and the calls after it.

    Raises:
        ValueError: names column and turn.
    """
    value = parse_list(value)
    if not isinstance(value, list) or not value:
        raise ValueError(f"column '{column}' holds no list of turns")
    messages: list[Message] = []
    previous = ""
    for number, turn in enumerate(value, 1):
        if is_plain(turn):  # nearly all: the loop below for a turn in another role than the one before it
            role = turn["role"]
            if role != previous:
                messages.append({"role": role, "content": turn["content"]})
                previous = role
                continue
        for message in read_turn(turn, column, number):
            role = message["role"]
            if role == previous and role in _JOINED and (joined := _join(messages, message)):
                messages[-1] = joined
            else:
                messages.append(message)
            previous = role
    if len(messages) > 1 and messages[1]["role"] == "system" and messages[0]["role"] == "user":
        messages = _name_system(messages)
    if any(THOUGHT_KEY in message for message in messages):
        raise ValueError(f"column '{column}' holds reasoning without the answer it belongs to")
    return messages


def _name_system(messages: list[Message]) -> list[Message]:
    """The messages, the one called system as the assistant where it answers the user throughout (MultiWOZ, SGD)."""
    roles = [message["role"] for message in messages]
    if roles != [("user", "system")[place % 2] for place in range(len(roles))]:
        return messages
    return [{**message, "role": "assistant"} if message["role"] == "system" else message for message in messages]


_JOINED = ("system", "assistant")


def _join(messages: list[Message], message: Message) -> Message | None:
    """The last message with one of the same role behind it, when they are one; ``None`` when they are two."""
    last = messages[-1]
    first, second = last["content"], message["content"]
    if not isinstance(first, str) or not isinstance(second, str):
        return None
    if THOUGHT_KEY in last:
        joined = {**message, "content": first + second}
        if isinstance(message.get("train"), list):  # its ranges count the characters of the answer alone
            joined["train"] = [[begin + len(first), end + len(first)] for begin, end in message["train"]]
        return joined
    if last.get("train") != message.get("train"):
        return None
    if message["role"] == "system":
        whole = len(messages) == 1 and isinstance(last.get("train", False), bool)
        return {**last, **message, "content": f"{first}\n\n{second}"} if whole else None
    if message.get("tool_calls") and not second and not isinstance(last.get("train"), list):
        return {
            **last,
            **message,
            "content": first,
            "tool_calls": [*last.get("tool_calls", ()), *message["tool_calls"]],
        }
    return None


def read_turn(turn: object, column: str, number: int = 1) -> list[Message]:
    """One turn as a message, after the results of tools that stand in it; keys that nothing reads are kept.

    Marks of what is learnt become ``train``: false for an assistant turn that carries no loss, true for another turn
    that does, or a list of [begin, end] for some characters of ``content``. Without ``train`` assistant turns are
    learnt, others not.

    Raises:
        ValueError: names column and turn.
    """
    if type(turn) is not dict:
        raise ValueError(f"column '{column}', turn {number} is not an object with role and content")
    if is_plain(turn):
        return [{"role": turn["role"], "content": turn["content"]}]
    return _read_turn(turn, column, number)


def _read_turn(turn: dict[str, Any], column: str, number: int) -> list[Message]:
    place = f"column '{column}', turn {number}"
    if not is_turn(turn):
        raise ValueError(f"{place} has no role")
    if not any(key in turn for key in (*ROLE_KEYS, *CONTENT_KEYS)):  # Role, Content
        turn = {key.lower(): item for key, item in turn.items()}
    if is_langchain(turn):
        turn = read_langchain(turn)
    role_key, role = _find_role(turn)
    if not role:
        raise ValueError(f"{place} has no role")
    content_key, content = _find_content(turn, role)
    _refuse_other_text(turn, content_key, content, place)
    used = {role_key, content_key, *MARKS, *DETAILS, *(REASONING_KEYS if role == "assistant" else ())}
    if turn.get("type") in ("message", *ITEMS):
        used |= {"type", "id", "status"}
    rest = {key: item for key, item in turn.items() if key not in used and item is not None and item != []}
    calls = rest.pop("tool_calls", None)
    if role == "call":
        role, calls, content = "assistant", _read_call_turn(turn, content, column, number), ""
        rest = {key: item for key, item in rest.items() if key not in ("name", "arguments", "call_id", "type", "id")}
    elif role == "tool" and turn.get("type") == "function_call_output":
        return [read_result(turn, place)]
    elif role == "tool" and isinstance(turn.get("tool_results"), list):
        return _read_results(turn["tool_results"], place)
    elif calls is not None:
        calls = read_calls(calls, column, number)
    if "function_call" in rest and role == "assistant" and calls is None:  # OpenAI's older key
        calls = read_calls(rest.pop("function_call"), column, number)
    learnt = read_mark(turn, place)
    content = _read_other_content(content, rest, place)
    if isinstance(content, str | int | float) or (isinstance(content, dict) and not _is_part(content)):
        parts = [Part(to_text(content))]
    elif content is None or isinstance(content, list | dict):
        parts = read_parts(content, calls is not None, place)
    else:
        raise ValueError(f"{place}: its content is no text")
    results = [part.result for part in parts if part.result is not None]
    if made := [part.call for part in parts if part.call is not None]:
        calls = [*(calls or ()), *(call for value in made for call in read_calls(value, column, number))]
    parts = [part for part in parts if part.call is None and part.result is None]
    if results and not parts:
        return results
    if role == "assistant" and rest.get("channel") in ("analysis", "final"):  # OpenAI's harmony
        role = "thought" if rest.pop("channel") == "analysis" else role
    if role == "thought":
        message: Message = {"role": "assistant", "content": join_parts(put_thought(parts, [])), THOUGHT_KEY: True}
        return [message if learnt is None else {**message, "train": learnt}]
    if role == "assistant" and (thought := next((turn[key] for key in REASONING_KEYS if turn.get(key)), None)):
        parts = put_thought(
            read_parts(thought, False, place) if isinstance(thought, list) else [Part(to_text(thought))], parts
        )
    message = {"role": role, "content": join_parts(parts)}
    if calls:
        message["tool_calls"] = calls
    detail = next((turn[key] for key in DETAILS if turn.get(key)), None)
    if any(part.learnt is not None for part in parts) or detail is not None:
        message["train"] = get_ranges(message, parts, detail, learnt, place)
    elif learnt is not None:
        message["train"] = learnt
    if message.get("train") is (role == "assistant"):  # the default
        del message["train"]
    return [*results, {**message, **rest}]


def _find_role(turn: dict[str, Any]) -> tuple[str, str]:
    """The key that names the role, and the role; "" when a turn has none."""
    for key in (*ROLE_KEYS, *WEAK_ROLE_KEYS):
        value = turn.get(key)
        value = value.get("role", value.get("name")) if isinstance(value, dict) else value
        if role := get_role(value):
            return key, role
    for key, (yes, no) in ROLE_FLAGS.items():
        if isinstance(turn.get(key), bool):
            return key, yes if turn[key] else no
    if turn.get("type") in ITEMS:
        return "type", ROLES[turn["type"]]
    return ("", "user") if "parts" in turn and "role" not in turn else ("", "")


def _find_content(turn: dict[str, Any], role: str) -> tuple[str, Any]:
    """The key that holds what is said, and its value: the first that holds something."""
    keys = ("summary", *CONTENT_KEYS) if role == "thought" and not turn.get("content") else CONTENT_KEYS
    found = next((key for key in keys if turn.get(key) not in (None, "")), None)
    found = found or next((key for key in keys if key in turn), "content")
    return found, turn.get(found)


def _refuse_other_text(turn: dict[str, Any], key: str, content: Any, place: str) -> None:
    """Raise when a turn says something else under another key: one of the two would be lost."""
    if not isinstance(content, str):
        return
    for other in SAYING:
        text = turn.get(other)
        if other != key and isinstance(text, str) and text.strip() and text.strip() != content.strip():
            raise ValueError(f"{place} holds both {key} and {other}, and they differ: delete one of them")


def _read_call_turn(turn: dict[str, Any], content: Any, column: str, number: int) -> list[dict[str, Any]]:
    """The calls of a turn that is nothing else: its content, or the turn itself (OpenAI's responses)."""
    if content is None and isinstance(turn.get("name"), str):
        call = {"id": turn.get("call_id"), "name": turn["name"], "arguments": turn.get("arguments")}
        return read_calls([call], column, number)
    return read_calls(content, column, number)


def _read_results(results: list[Any], place: str) -> list[Message]:
    """The results of tools in a turn of Cohere, each with the call that it answers.

    Raises:
        ValueError: one has no outputs.
    """
    messages: list[Message] = []
    for result in results:
        outputs = result.get("outputs") if isinstance(result, dict) else None
        if not isinstance(outputs, list) or not outputs:
            raise ValueError(f"{place}: a result of a tool has no outputs")
        call = result.get("call")
        named = {"name": call["name"]} if isinstance(call, dict) and isinstance(call.get("name"), str) else {}
        messages.append({"role": "tool", **named, "content": to_text(outputs[0] if len(outputs) == 1 else outputs)})
    return messages


def _is_part(content: dict[str, Any]) -> bool:
    """Whether a content that is one object is a part, and not data that is learnt as JSON."""
    return isinstance(content.get("parts"), list) or (content.get("type") in NAMES and len(content) <= 3)


def _read_other_content(content: Any, rest: Message, place: str) -> Any:
    """The content, or what an API gives in its place: a refusal in words.

    Raises:
        ValueError: the answer is a sound.
    """
    if isinstance(rest.get("audio"), dict) and content in (None, ""):
        raise ValueError(
            f"{place}: the answer is a sound (audio), which is not learnt; put its transcript into content"
        )
    refusal = rest.get("refusal")
    if refusal == "":
        del rest["refusal"]
    if isinstance(refusal, str) and refusal.strip():
        del rest["refusal"]
        if content not in (None, "", []):
            raise ValueError(f"{place} holds both content and a refusal: delete one of them")
        return refusal
    return content

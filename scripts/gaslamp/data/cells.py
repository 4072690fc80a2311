"""What stands in a cell, as text or as turns: the words that all formats share. Text goes through byte for byte."""

from __future__ import annotations

import json
from typing import Any

from gaslamp.rows import Message

ROLES = {
    "human": "user", "prompter": "user", "customer": "user", "input": "user",
    "gpt": "assistant", "model": "assistant", "bot": "assistant", "ai": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant",
    "output": "assistant", "agent": "assistant",
    "observation": "tool", "function": "tool", "function_response": "tool", "function-response": "tool", "tool_response": "tool", "ipython": "tool",
    "function_call": "call", "function-call": "call", "tool_call": "call",
}  # fmt: skip
"""Other words for system, user, assistant and tool; ``call`` is an assistant turn that holds calls as JSON."""

ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value", "text")
IMAGE_MARK = "<image>"


def get_text(row: dict[str, Any], column: str) -> str:
    """A cell as text: numbers and booleans as JSON writes them, objects as compact JSON. ValueError when there is none."""
    value = row.get(column)
    if type(value) is not str:
        if value is None:
            raise ValueError(f"column '{column}' is empty or missing")
        value = to_text(value)
    if not value or value.isspace():
        raise ValueError(f"column '{column}' is empty")
    return value


def to_text(value: Any) -> str:
    """A value as text; what is no text as compact JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str)
    except ValueError as error:
        raise ValueError("a number is NaN or infinite") from error


def get_optional(row: dict[str, Any], column: str) -> str | None:
    """A cell that may be absent or empty."""
    value = row.get(column)
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else to_text(value)


def first_value(rows: list[dict[str, Any]], column: str) -> Any:
    """The first value of a column that is not empty among the rows that are looked at."""
    return next((row[column] for row in rows if row.get(column) not in (None, "", [])), None)


def find_column(columns: list[str], names: tuple[str, ...]) -> str | None:
    """The first of ``names`` that is a column, whatever its case and with spaces for underscores."""
    lower = {name.lower().strip().replace(" ", "_").replace("-", "_"): name for name in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def parse_list(value: Any) -> Any:
    """A list that a table keeps as JSON text, as the list; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value


def is_turns(value: Any) -> bool:
    """Whether a value is a list of turns, or the JSON of one."""
    value = parse_list(value)
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and any(key in value[0] for key in ROLE_KEYS)


def read_turns(value: Any, column: str) -> list[Message]:
    """Turns as messages {role, content, ...}, whatever their keys and roles are called. ValueError names column and turn."""
    value = parse_list(value)
    if not isinstance(value, list) or not value:
        raise ValueError(f"column '{column}' holds no list of turns")
    return [read_turn(turn, column, number) for number, turn in enumerate(value, 1)]


def read_turn(turn: Any, column: str, number: int = 1) -> Message:
    """One turn as a message; keys besides role and content stay as they are."""
    if type(turn) is not dict:
        raise ValueError(f"column '{column}', turn {number} is not an object with role and content")
    if len(turn) == 2 and "role" in turn and "content" in turn and type(turn["content"]) is str and turn["role"] in PLAIN:  # nearly all
        return {"role": turn["role"], "content": turn["content"]}
    role_key = next((key for key in ROLE_KEYS if key in turn), "role")
    content_key = next((key for key in CONTENT_KEYS if key in turn), "content")
    role, content = turn.get(role_key), turn.get(content_key)
    if not isinstance(role, str) or not role.strip():
        raise ValueError(f"column '{column}', turn {number} has no role")
    lower = role.strip().lower()
    role = ROLES.get(lower, lower)
    rest = {key: item for key, item in turn.items() if key not in (role_key, content_key) and item is not None and item != []}
    calls = rest.pop("tool_calls", None)
    if role == "call":
        role, calls, content = "assistant", read_calls(content, column, number), ""
    elif calls is not None:
        calls = read_calls(calls, column, number)
    if "function_call" in rest and role == "assistant" and calls is None:  # OpenAI's older word
        calls = read_calls(rest.pop("function_call"), column, number)
    message: Message = {"role": role, "content": _read_content(content, bool(calls), column, number)}
    if calls:
        message["tool_calls"] = calls
    return {**message, **rest}


PLAIN = frozenset(("user", "assistant", "system", "tool"))


def _read_content(content: Any, has_calls: bool, column: str, number: int) -> Any:
    if isinstance(content, str):
        return content
    if content is None:
        if has_calls:
            return ""
        raise ValueError(f"column '{column}', turn {number} has no content")
    if isinstance(content, list):
        parts = [_read_part(part, column, number) for part in content]
        return parts if any(part["type"] == "image" for part in parts) else "".join(part["text"] for part in parts)
    if isinstance(content, dict | int | float):
        return to_text(content)
    raise ValueError(f"column '{column}', turn {number}: its content is no text")


def _read_part(part: Any, column: str, number: int) -> dict[str, Any]:
    """One part of a content list: {"type": "text"} or {"type": "image", "image": whatever tells it; None: the next of the images column}."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, dict):
        kind = part.get("type")
        if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            return {"type": "text", "text": part["text"]}
        if kind in ("image", "image_url", "input_image"):
            image = part.get("image")
            if image is None:
                image = part.get("image_url") if part.get("image_url") is not None else part.get("url") or part.get("path")
            if isinstance(image, dict) and "url" in image:
                image = image["url"]
            return {"type": "image", "image": image}
        raise ValueError(f"column '{column}', turn {number}: a part of type '{kind}' cannot be learnt from (known: text, image)")
    raise ValueError(f"column '{column}', turn {number}: a part is neither text nor object")


def read_calls(value: Any, column: str, number: int) -> list[dict[str, Any]]:
    """Tool calls in the form chat templates take: {"type": "function", "function": {"name", "arguments": object}}."""
    calls = parse_list(value)
    if isinstance(calls, dict):
        calls = [calls]
    if not isinstance(calls, list) or not calls:
        raise ValueError(f"column '{column}', turn {number}: its tool calls are no JSON list of {{name, arguments}}")
    result = []
    for call in calls:
        inner = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            raise ValueError(f"column '{column}', turn {number}: a tool call has no name")
        arguments = inner.get("arguments", inner.get("parameters", {}))
        parsed = parse_list(arguments)
        known = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
        result.append({**known, "type": "function", "function": {"name": inner["name"], "arguments": {} if parsed is None else parsed}})
    return result


def read_tools(value: Any, column: str) -> list[dict[str, Any]]:
    """Tool schemas as a list; a JSON text of one, or a single one, too."""
    tools = parse_list(value)
    if isinstance(tools, dict):
        tools = [tools]
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ValueError(f"column '{column}' holds no JSON list of tools")
    return [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools]


def ask(text: str, system: str | None = None) -> list[Message]:
    """A user turn, with a system turn in front when there is one."""
    turn = {"role": "user", "content": text}
    return [{"role": "system", "content": system}, turn] if system else [turn]


def read_prompt(row: dict[str, Any], column: str, system: str | None = None) -> list[Message]:
    """What is asked: a column of text, or of turns."""
    value = row.get(column)
    if type(value) is str and value[:1] != "[":
        return ask(get_text(row, column), system)
    if is_turns(value):
        turns = read_turns(value, column)
        return [{"role": "system", "content": system}, *turns] if system and turns[0]["role"] != "system" else turns
    return ask(get_text(row, column), system)


def read_answer(value: Any, column: str) -> list[Message]:
    """What is answered: text, one turn, or a list of turns."""
    if isinstance(value, str) and not (value[:1] in ("[", "{") and (is_turns(value) or _is_turn(parse_list(value)))):
        if not value.strip():
            raise ValueError(f"column '{column}' is empty")
        return [{"role": "assistant", "content": value}]
    value = parse_list(value)
    if _is_turn(value):
        return [read_turn(value, column)]
    if is_turns(value):
        return read_turns(value, column)
    if value is None or value == []:
        raise ValueError(f"column '{column}' is empty or missing")
    return [{"role": "assistant", "content": to_text(value)}]


def _is_turn(value: Any) -> bool:
    return isinstance(value, dict) and any(key in value for key in ROLE_KEYS) and any(key in value for key in CONTENT_KEYS)

"""Arguments of tool calls in the form that a chat template takes, with every number as the row has it.

On disk they are an object, or JSON text where an object would lose something (``1.50``, spaces). A template that takes
text shows it as it is. For one that takes an object alone the text is parsed, and each number that Python would write
in another way is a stand-in, a whole number that no row has, until the template is rendered: templates dump numbers by
``json.dumps``, which cannot be given another way to write one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]
Render = Callable[[list[Message], list[dict[str, Any]]], str | None]

KEY, NAME = "gaslampkey", "gaslampname"
_STAND_IN = "80461725"
_STANDING = re.compile(rf"{_STAND_IN}(\d{{5}})(?!\d)")


def find_forms(render: Render) -> tuple[bool, bool]:
    """Whether a template takes the arguments of a call as JSON text, shown as it is, and whether as an object.

    Args:
        render: messages and tools as the template renders them; ``None`` when it refuses them.
    """
    text = _render(render, f'{{"{KEY}":"a"}}')
    canonical = _render(render, f'{{"{KEY}": "a"}}')
    made = _render(render, {KEY: "a"})
    takes_object = made is not None and KEY in made and f"{{'{KEY}'" not in made
    takes_text = text is not None and f'{{"{KEY}":"a"}}' in text and (canonical == made or not takes_object)
    return takes_text, takes_object or not takes_text


def shows_calls(render: Render) -> bool:
    """Whether a template shows a call of a turn without text, its arguments given as text or as an object."""
    return any(KEY in (_render(render, arguments) or "") for arguments in (f'{{"{KEY}": "a"}}', {KEY: "a"}))


def _render(render: Render, arguments: object) -> str | None:
    schema = {"type": "object", "properties": {KEY: {"type": "string", "description": "d"}}}
    tool = {"type": "function", "function": {"name": NAME, "description": "d", "parameters": schema}}
    call = {"id": "gaslamp01", "type": "function", "function": {"name": NAME, "arguments": arguments}}
    answer = {"role": "assistant", "content": "", "tool_calls": [call]}
    text = render([{"role": "user", "content": "q"}, answer], [tool])
    return text.rpartition(NAME)[2] if text else None


def shape_arguments(
    messages: list[Message], takes_text: bool, takes_object: bool, literals: list[str]
) -> list[Message]:
    """``messages`` with the arguments of their calls as the template takes them; the same list when nothing changes.

    Args:
        messages: of a conversation.
        takes_text, takes_object: of the template, see ``find_forms``.
        literals: filled with the numbers that stand-ins stand for; ``restore`` puts them back.
    """
    if not any(message.get("tool_calls") for message in messages):
        return messages

    def shape(arguments: Any) -> Any:
        if isinstance(arguments, str):
            return arguments if takes_text else _parse(arguments, literals)
        return arguments if takes_object else json.dumps(arguments, ensure_ascii=False)

    return [_change_calls(message, shape) if message.get("tool_calls") else message for message in messages]


def parse_arguments(messages: list[Message]) -> list[Message]:
    """``messages`` with the arguments of their calls as objects, numbers as Python writes them."""
    return [
        _change_calls(message, lambda value: json.loads(value) if isinstance(value, str) else value)
        if message.get("tool_calls")
        else message
        for message in messages
    ]


def _change_calls(message: Message, change: Callable[[Any], Any]) -> Message:
    calls = []
    for call in message["tool_calls"]:
        inner = call.get("function", call)
        made = {**inner, "arguments": change(inner.get("arguments", {}))}
        calls.append({**call, "function": made} if "function" in call else made)
    return {**message, "tool_calls": calls}


def _parse(text: str, literals: list[str]) -> Any:
    """The value of JSON text; a number that Python writes in another way as its stand-in."""

    def read(number: str, kind: Callable[[str], Any]) -> Any:
        value = kind(number)
        if repr(value) == number:
            return value
        literals.append(number)
        return int(f"{_STAND_IN}{len(literals) - 1:05}")

    try:
        return json.loads(text, parse_float=lambda number: read(number, float), parse_int=lambda n: read(n, int))
    except ValueError:
        return text


def restore(text: str, literals: list[str]) -> str:
    """Rendered text with each stand-in replaced by the number that it stands for."""
    if not literals:
        return text

    def replace(found: re.Match[str]) -> str:
        number = int(found[1])
        return literals[number] if number < len(literals) else found[0]

    return _STANDING.sub(replace, text)

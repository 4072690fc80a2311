"""Tool calls and tool schemas, in the form that chat templates take."""

from __future__ import annotations

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import parse_json, parse_list


def read_calls(value: object, column: str, number: int) -> list[JsonObject]:
    """Tool calls as {"type": "function", "function": {"name", "arguments": object}}.

    Raises:
        ValueError: no list of calls, a call without a name, or arguments that are not JSON.
    """
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
        parsed = parse_json(arguments)
        if isinstance(parsed, str) and parsed.strip():
            raise ValueError(f"column '{column}', turn {number}: the arguments of {inner['name']} are not JSON")
        known = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
        result.append(
            {
                **known,
                "type": "function",
                "function": {
                    "name": inner["name"],
                    "arguments": {} if parsed is None or isinstance(parsed, str) else parsed,
                },
            }
        )
    return result


def read_tools(value: object, column: str) -> list[JsonObject]:
    """Tool schemas as a list, from a list, its JSON text, or a single schema.

    Raises:
        ValueError: the value is none of these.
    """
    tools = parse_list(value)
    if isinstance(tools, dict):
        tools = [tools]
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ValueError(f"column '{column}' holds no JSON list of tools")
    return [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools]

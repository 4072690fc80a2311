"""Tool calls and tool schemas, in the form that chat templates take."""

from __future__ import annotations

import json
import re
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import parse_json, parse_list
from gaslamp.data.readers.numbers import WrittenNumber, write_json

ARGUMENTS = ("arguments", "parameters", "args", "input", "kwargs")
IDS = ("id", "call_id", "toolUseId")
CALL_MARKS = (
    *("<tool_call", "<function_call", "<functioncall>", "<function=", "<invoke", "<|python_tag|>", "[TOOL_CALLS]"),
    *("<|tool_call", "<\uff5ctool\u2581call", "<start_function_call>", "<|action_start|>", "```tool_code"),
)
"""How chat templates write the call of a tool: Hermes, Qwen, Glaive, Llama, Mistral, Phi, DeepSeek, Gemma, InternLM."""
TEXT_CALL = re.compile(
    "|".join(map(re.escape, CALL_MARKS))
    + r"""|^\s*\[\s*[A-Za-z_][\w.\- ]*\(.*\)\s*\]\s*$"""  # ToolACE: [f(x=1), g(y=2)]
    + r"""|^\s*[\[{]\s*\{?\s*"(?:name|function|type)"\s*:.*"(?:arguments|parameters)"\s*:"""  # JSON of Llama 3.1
    + r"""|^Action\s*(?:Input)?\s*:"""  # ReAct
    + r"""|<(?:tool|code|execute|search|python)>""",
    re.DOTALL | re.MULTILINE,
)


def holds_call(text: str) -> bool:
    """Whether the text of an answer calls a tool, in the words of some chat template: such a call is learnt as text."""
    return TEXT_CALL.search(text) is not None


def read_calls(value: object, column: str, number: int) -> list[JsonObject]:
    """Tool calls as {"type": "function", "function": {"name", "arguments"}}; arguments as ``keep_arguments`` has them.

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
        arguments: object = next((inner[key] for key in ARGUMENTS if inner.get(key) is not None), {})
        parsed = parse_json(arguments)
        if isinstance(parsed, str) and parsed.strip():
            raise ValueError(f"column '{column}', turn {number}: the arguments of {inner['name']} are not JSON")
        known = next(({"id": call[key]} for key in IDS if isinstance(call.get(key), str)), {})
        result.append(
            {
                **known,
                "type": "function",
                "function": {
                    "name": inner["name"],
                    "arguments": {} if parsed is None or isinstance(parsed, str) else keep_arguments(arguments, parsed),
                },
            }
        )
    return result


def keep_arguments(given: object, parsed: object) -> object:
    """Arguments so that nothing of them changes: as an object where that says all, else as JSON text.

    Text stays what the file has (spaces, order, escapes, ``1.50``) when ``json.dumps`` of its object is another one. An
    object with a number that readers change (``1.50``, more than 64 bits) becomes text with that number.

    Args:
        given: what stands in the row: an object, or its JSON text.
        parsed: the object, numbers as written.
    """
    if isinstance(given, str):
        plain = json.loads(given)
        return plain if not _has_written(parsed) and json.dumps(plain, ensure_ascii=False) == given else given
    return write_json(parsed, (", ", ": ")) if _has_written(parsed) else parsed


def _has_written(value: Any) -> bool:
    """Whether a value holds a number that a JSON reader changes."""
    if isinstance(value, dict):
        return any(_has_written(item) for item in value.values())
    return any(map(_has_written, value)) if isinstance(value, list) else isinstance(value, WrittenNumber)


def read_tools(value: object, column: str) -> list[JsonObject]:
    """Tool schemas as a list, from a list, its JSON text, or a single schema.

    Schemas of OpenAI, Anthropic (input_schema), Gemini (functionDeclarations) and Bedrock (toolSpec).

    Raises:
        ValueError: the value is none of these.
    """
    tools = parse_list(value)
    if isinstance(tools, dict):
        tools = tools["tools"] if isinstance(tools.get("tools"), list) else [tools]
    if not isinstance(tools, list):
        raise ValueError(f"column '{column}' holds no JSON list of tools")
    tools = [parse_json(tool) for tool in tools]
    if not all(isinstance(tool, dict) for tool in tools):
        raise ValueError(f"column '{column}' holds no JSON list of tools")
    return [schema for tool in tools for schema in _read_tool(tool)]


def _read_tool(tool: JsonObject) -> list[JsonObject]:
    """The schemas of one entry of a list of tools."""
    declared = next((tool[key] for key in ("functionDeclarations", "function_declarations") if key in tool), None)
    if isinstance(declared, list):
        return [{"type": "function", "function": item} for item in declared]
    if isinstance(tool.get("function"), dict):
        return [tool]
    inner = tool["toolSpec"] if isinstance(tool.get("toolSpec"), dict) else tool
    schema = inner.get("input_schema", inner.get("inputSchema"))
    if isinstance(schema, dict):
        named = {key: inner[key] for key in ("name", "description") if key in inner}
        inner = {**named, "parameters": schema["json"] if isinstance(schema.get("json"), dict) else schema}
    elif inner.get("type") == "function":  # OpenAI's responses
        inner = {key: item for key, item in inner.items() if key != "type"}
    return [{"type": "function", "function": inner}]

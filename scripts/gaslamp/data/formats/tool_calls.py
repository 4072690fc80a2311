"""A question, the tools that may be called, and the calls that answer it (xLAM and other function-calling sets)."""

from __future__ import annotations

from gaslamp.data.calls import read_calls, read_tools
from gaslamp.data.cells import find_column, get_optional, parse_list
from gaslamp.data.prompts import read_prompt
from gaslamp.data.rows import LeftOut, Row, SourceRow

KIND = "conversation"
ORDER = 35
EXAMPLE = (
    '{"query": "Weather in Oslo?", "tools": "[{\\"name\\": \\"weather\\", \\"parameters\\": {\\"city\\": '
    '{\\"type\\": \\"string\\"}}}]", "answers": "[{\\"name\\": \\"weather\\", \\"arguments\\": {\\"city\\": '
    '\\"Oslo\\"}}]"}'
)
REQUIRED = ("prompt", "tools", "calls")
OPTIONAL = ("system",)
READ_ANYWAY = ()
PROMPTS = ("query", "prompt", "question", "instruction")
CALLS = ("answers", "tool_calls", "calls", "function_call", "function_calls")
TOOLS = ("tools", "functions")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """A question, tools, and a list of calls with names."""
    query, tools, calls = (find_column(columns, names) for names in (PROMPTS, TOOLS, CALLS))
    if not (query and tools and calls):
        return None
    value = next((found for row in rows if (found := parse_list(row.get(calls))) not in (None, "", [])), None)
    first = value[0] if isinstance(value, list) and value else value
    if not isinstance(first, dict) or not ("name" in first or "function" in first):
        return None
    mapping = {"prompt": query, "tools": tools, "calls": calls}
    if system := find_column(columns, ("system", "system_prompt")):
        mapping["system"] = system
    return mapping


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The question, and an assistant turn that makes the calls."""
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    messages = read_prompt(row, mapping["prompt"], system)
    if parse_list(row.get(mapping["calls"])) in (None, "", []):
        raise LeftOut(f"column '{mapping['calls']}' holds no call: there is no answer to learn")
    calls = read_calls(row.get(mapping["calls"]), mapping["calls"], len(messages) + 1)
    answer = {"role": "assistant", "content": "", "tool_calls": calls}
    return {"messages": [*messages, answer], "tools": read_tools(row.get(mapping["tools"]), mapping["tools"])}

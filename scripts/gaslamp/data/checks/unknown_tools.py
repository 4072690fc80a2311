"""Calls of tools that the row does not list: the model learns to call what is not there."""

from collections.abc import Iterable, Iterator

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import parse_json
from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import Row, get_calls
from gaslamp.data.suspects import get_suspects
from gaslamp.data.texts import TURNS

TITLE = "calls of unknown tools"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
FIX = "correct the name of the tool or of the argument, or add it to the tools of the row"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows with tools whose calls name another tool, or an argument that the tool does not have."""
    for sample in get_suspects(samples, facts, (b'"tool_calls"',)):
        if sample.row.get("tools") and (found := find_unknown(sample.row)):
            yield Finding(sample.place, found)


def find_unknown(row: Row) -> str:
    """The first call that does not fit the tools of its row, as a phrase; empty when all fit."""
    tools = dict(filter(None, map(_read_tool, row["tools"])))
    turns = [turn for key in TURNS for turn in row.get(key) or () if isinstance(turn, dict)]
    for call in (call for turn in turns for call in get_calls(turn)):
        name, arguments = call["name"], parse_json(call["arguments"])
        if name not in tools:
            return f"it calls {name}, and its tools are {', '.join(tools) or 'without names'}"
        known = tools[name]
        if (
            known is not None
            and isinstance(arguments, dict)
            and (extra := [key for key in arguments if key not in known])
        ):
            return f"it calls {name} with {', '.join(extra)}, and the tool takes {', '.join(known) or 'nothing'}"
    return ""


def _read_tool(tool: JsonObject) -> tuple[str, list[str] | None] | None:
    """Name and parameters of a tool; ``None`` for parameters that are open."""
    inner = tool.get("function", tool)
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        return None
    schema = inner.get("parameters", inner.get("input_schema"))
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(properties, dict):
        return inner["name"], None
    is_open = schema.get("additionalProperties") not in (None, False)
    return inner["name"], None if is_open else list(properties)

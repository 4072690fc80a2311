"""What a data source is, before anything happens: its columns, the format that was found, what each method would learn. Writes nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import LOOKED_AT, choose_kind, find_format, get_columns, suggest_mapping
from gaslamp.data.readers import Problem
from gaslamp.data.rows import Row, adapt, get_images, get_text
from gaslamp.data.sources import is_hub_id, open_preview, open_source

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 2  # rows
TYPES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true/false",
    "NoneType": "empty",
    "list": "list",
    "dict": "object",
    "bytes": "bytes",
}


@dataclass
class Column:
    """One column of the first rows."""

    name: str
    types: list[str]  # most frequent first; more than one is worth a look
    filled: float  # share of rows that have a value
    values: list[str]  # of the shown rows


@dataclass
class Description:
    """All that ``make data-describe`` says."""

    source: str
    looked_at: int
    columns: list[Column]
    problems: list[Problem]
    format: str = ""
    mapping: dict[str, str] = field(default_factory=dict)
    found: str = ""  # kind of row that the format gives
    kind: str = ""  # kind that the method gets
    samples: list[Row] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)  # that can learn from it
    suggestion: str = ""  # a data.columns line to start from
    error: GaslampError | None = None  # why the method of the config cannot


def describe(data: Any, method: str) -> Description:
    """Look at the first rows of data.source.

    Args:
        data: the data section of the config.
        method: which method shall learn from it.

    Raises:
        GaslampError: the source cannot be read at all. That no format fits, or none for the method, is part of the description.
    """
    if is_hub_id(data.source) and not data.sql:  # the first rows alone, not the whole set
        data = data.model_copy(update={"sql": f"SELECT * FROM source LIMIT {LOOKED_AT}"})
    source = open_source(data)
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for chunk in source.chunks():
        rows += [row for _, row in islice(chunk.read(problems), LOOKED_AT - len(rows))]
        if len(rows) >= LOOKED_AT or len(problems) > LOOKED_AT:
            break
    result = Description(source.name, len(rows), [_look_at(name, rows) for name in get_columns(rows)], problems)
    if not rows:
        first = ": ".join(problems[0][:2]) if problems else "it is empty"
        result.error = GaslampError(
            f"{source.name} has no row that can be read ({first})", "mend the file, or name another one in data.source"
        )
        return result
    result.methods = [name for name in registry.names("methods") if _try(rows, data, name)]
    kinds = registry.get("methods", method).KINDS
    result.suggestion = suggest_mapping(rows, get_columns(rows), kinds[0]).partition("data.columns: ")[2]
    try:
        result.format, plugin, result.mapping = find_format(rows, data.format, data.columns, kinds)
        result.found = plugin.KIND
        result.kind = choose_kind(
            plugin.KIND, method, registry.get("methods", method), rows, result.format, result.mapping
        )
    except GaslampError as error:
        result.error = error
        return result
    for row in rows:
        if len(result.samples) == SHOWN:
            break
        try:
            result.samples.append(adapt(plugin.convert(row, result.mapping), result.kind))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # the data phase names every such row
    return result


def find_method_problem(data: Any, method: str) -> GaslampError | None:
    """Why ``method`` cannot learn from the first rows of data.source, or why they cannot be read; ``None`` when it can.

    Asked before anything is downloaded or trained: of a hub set only the first rows travel.
    """
    plugin = registry.get("methods", method)
    problems: list[Problem] = []
    rows: list[dict[str, Any]] = []
    try:
        if data.source.startswith("embedded:"):
            rows += islice(
                registry.get("embedded", data.source.removeprefix("embedded:")).generate(), 8
            )  # pictures take time to draw
        else:
            for chunk in open_preview(data).chunks():
                rows += [row for _, row in islice(chunk.read(problems), LOOKED_AT - len(rows))]
                if len(rows) >= LOOKED_AT or len(problems) > LOOKED_AT:
                    break
        if rows:  # without any the data phase names every line
            format_name, found, mapping = find_format(rows, data.format, data.columns, plugin.KINDS)
            choose_kind(found.KIND, method, plugin, rows, format_name, mapping)
    except GaslampError as error:
        return error
    return None


def _try(rows: list[dict[str, Any]], data: Any, name: str) -> bool:
    """Whether the method ``name`` could learn from the rows."""
    method = registry.get("methods", name)
    try:
        format_name, plugin, mapping = find_format(rows, data.format, data.columns, method.KINDS)
        choose_kind(plugin.KIND, name, method, rows, format_name, mapping)
    except GaslampError:
        return False
    return True


def _look_at(name: str, rows: list[dict[str, Any]]) -> Column:
    counts: dict[str, int] = {}
    for row in rows:
        value = row.get(name)
        kind = TYPES.get(type(value).__name__, type(value).__name__)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            kind = f"list of {{{', '.join(value[0])}}}"
        counts[kind] = counts.get(kind, 0) + 1
    filled = sum(row.get(name) not in (None, "") for row in rows) / len(rows)
    types = [kind for kind, _ in sorted(counts.items(), key=lambda item: -item[1]) if kind != "empty"] or ["empty"]
    return Column(name, types, filled, [shorten(row.get(name)) for row in rows[:SHOWN]])


def shorten(value: Any, width: int = 160) -> str:
    """A cell in one line: text as it is, anything else as JSON, cut at ``width`` letters."""
    text = (
        value
        if isinstance(value, str)
        else ""
        if value is None
        else json.dumps(value, ensure_ascii=False, default=lambda item: f"<{type(item).__name__}>")
    )
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def print_description(result: Description, method: str, console: Console | None = None) -> None:
    """Print a description for a person at a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console(
        width=min(120, shutil.get_terminal_size((100, 24)).columns), highlight=False, markup=False, emoji=False
    )
    console.print(Text(f"{result.source}: the first {result.looked_at} rows"), style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in (
        "column",
        "type",
        "filled",
        *(f"row {number}" for number in range(1, min(SHOWN, result.looked_at) + 1)),
    ):
        table.add_column(title, overflow="fold", no_wrap=title == "filled")
    for column in result.columns:
        table.add_row(
            Text(column.name),
            Text(" or ".join(column.types)),
            f"{100 * column.filled:.0f} %",
            *(Text(value) for value in column.values),
        )
    console.print(table)
    for place, text, *_ in result.problems[:5]:
        console.print(Text(f"cannot be read: {place}: {text}"), style="red")
    if len(result.problems) > 5:
        console.print(Text(f"... and {len(result.problems) - 5} more"), style="red")
    console.print()
    if result.format:
        console.print(
            Text(
                f"format   {result.format}, which gives {result.found} rows"
                + (f"; the method gets {result.kind} rows" if result.kind not in ("", result.found) else "")
            )
        )
        console.print(Text("mapping  " + ", ".join(f"{role} = {column}" for role, column in result.mapping.items())))
    unused = [
        column.name
        for column in result.columns
        if column.name not in {*result.mapping.values(), "split", "slice", "group", "system"}
    ]
    if result.format and unused:
        console.print(Text(f"besides  {', '.join(unused)} (kept beside each row, not learnt)"))
    made = [name for name in result.methods if registry.get("methods", name).KINDS[0] == result.found]
    others = [name for name in result.methods if name not in made]
    console.print(
        Text(f"methods  {', '.join(made or others) or 'none can learn from it as the columns are named now'}")
    )
    if made and others:
        console.print(Text(f"         possible too, with a part of each row: {', '.join(others)}"))
    own = (
        "{"
        + ", ".join(f"{role}: {json.dumps(column, ensure_ascii=False)}" for role, column in result.mapping.items())
        + "}"
    )
    change = result.suggestion if result.error and result.suggestion else own
    console.print(Text(f"change   in config.yaml, data.columns: {change}"))
    for number, row in enumerate(result.samples, 1):
        console.print()
        console.print(Text(f"row {number} as it will be learnt ({method})"), style="bold")
        for name, text in _lay_out(row):
            console.print(Text.assemble((f"  {name:<10}", "cyan"), shorten(text, 400)))


def _lay_out(row: Row) -> list[tuple[str, str]]:
    lines = []
    for key, value in row.items():
        if isinstance(value, list) and all(isinstance(message, dict) and "role" in message for message in value):
            for message in value:
                pictures = "".join("[picture] " for _ in get_images([message]))
                calls = "".join(f" {json.dumps(call, ensure_ascii=False)}" for call in message.get("tool_calls") or ())
                role = message["role"] if key in ("messages", "prompt") else key
                lines.append((role, pictures + get_text(message) + calls))
        else:
            lines.append((key, shorten(value, 400)))
    return lines

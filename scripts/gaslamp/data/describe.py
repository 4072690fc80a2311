"""What a data source is, before anything happens: its columns, what they mean, what each method would learn.

Writes nothing.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gaslamp.config.methods import is_multimodal
from gaslamp.config.sections.data import Data
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.visible import make_safe_console
from gaslamp.data.glance import Glance, glance
from gaslamp.data.judgements import convert_kept
from gaslamp.data.meaning import LOOKED_AT, Mapping, Meaning, choose_kind, decide, get_columns
from gaslamp.data.meaning.constant import warn_of_one_answer
from gaslamp.data.meaning.examples import check_certain, lay_out, put_differing_row_first, render_reading, shorten
from gaslamp.data.meaning.readings import get_mapped_columns, show_mapping, write_mapping
from gaslamp.data.readers.chunks import Problem
from gaslamp.data.rows import LeftOut, Row, SourceRow, adapt_all, get_images
from gaslamp.data.sample import explain_no_rows, read_sample
from gaslamp.data.source_names import is_hub_id
from gaslamp.data.sources import open_source

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 2  # rows
SHOWN_BROKEN = 5
TRIED = 20  # rows that are held against each method
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
    meaning: Meaning | None = None
    kind: str = ""  # of row that the method gets
    samples: list[Row] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)  # that can learn from it
    readings: list[str] = field(default_factory=list)  # the other readings, each with a worked example
    warnings: list[str] = field(default_factory=list)  # of what can be learnt and is hardly worth it
    broken: list[str] = field(default_factory=list)  # rows that the data phase will refuse, by place
    error: GaslampError | None = None  # why the method of the config cannot

    @property
    def format(self) -> str:
        """The format plug-in; empty when none fits."""
        return self.meaning.reading.format if self.meaning else ""

    @property
    def mapping(self) -> Mapping:
        """Role -> column."""
        return self.meaning.reading.mapping if self.meaning else {}


def describe(data: Data, method: str) -> Description:
    """Look at the first rows of data.source.

    Args:
        data: the data section of the config.
        method: the method that should learn from it.

    Raises:
        GaslampError: the source cannot be read at all. That no format fits, or none for the method, is part of the
        description.
    """
    if is_hub_id(data.source) and not data.sql:  # the first rows alone, not the whole set
        data = data.model_copy(update={"sql": f"SELECT * FROM source LIMIT {LOOKED_AT}"})
    source = open_source(data)
    problems: list[Problem] = []
    rows = read_sample(source, problems, LOOKED_AT, get_mapped_columns(data.columns))
    result = Description(source.name, len(rows), [_look_at(name, rows) for name in get_columns(rows)], problems)
    if not rows:
        result.error = GaslampError(
            f"{source.name} has no row that can be read ({explain_no_rows(source, problems)})",
            "fix the file, or name another one in data.source",
        )
        return result
    result.methods = [name for name in registry.names("methods") if _can_learn(rows, data, name)]
    plugin = registry.get("methods", method)
    try:
        meaning = decide(rows, data.format, data.columns, plugin.KINDS, data.meaning, (data.slice, data.group))
        result.meaning = meaning
        first_other = 1 if meaning.certain else 0
        shown = rows if meaning.certain else put_differing_row_first(meaning.readings[:3], rows)
        result.readings = [
            render_reading(number, reading, shown, meaning, plugin.KINDS)
            for number, reading in enumerate(meaning.readings, 1)
            if number > first_other
        ][:3]
        check_certain(meaning, rows, plugin.KINDS, source.name)
        reading = meaning.reading
        result.kind = choose_kind(reading.kind, method, plugin, rows, reading.format, reading.mapping)
    except GaslampError as error:
        result.error = error
        return result
    result.samples = _convert(rows, result.format, result.mapping, result.kind, SHOWN)
    result.warnings = warn_of_one_answer(rows, reading.mapping)
    result.broken = _find_broken(glance(source, result.format, result.mapping))
    return result


def _find_broken(seen: Glance) -> list[str]:
    """How many rows the data phase will refuse, and the first of them, a line each."""
    count = seen.counts["wrong_types"]
    if not count:
        return []
    more = [f"... and {count - SHOWN_BROKEN} more"] if count > SHOWN_BROKEN else []
    return [
        f"{count} of the first {seen.seen} rows cannot be learnt and will stop the run:",
        *(f"{finding.place}: {finding.text}" for finding in seen.wrong[:SHOWN_BROKEN]),
        *more,
    ]


def _convert(rows: list[SourceRow], format_name: str, mapping: Mapping, kind: str, wanted: int) -> list[Row]:
    """The first ``wanted`` rows or a few more, as rows of a kind; those that cannot be read are left out."""
    converter = registry.get("formats", format_name)
    result: list[Row] = []
    for row in rows:
        if len(result) >= wanted:
            break
        try:
            result += adapt_all(convert_kept(converter.convert, row, mapping), kind)
        except (ValueError, KeyError, TypeError, AttributeError, LeftOut):
            continue  # the data phase names every such row
    return result


def _can_learn(rows: list[SourceRow], data: Any, name: str) -> bool:
    """Whether the method ``name`` could learn from the rows: one of the first is right for it.

    A method for images takes rows without one as well, next to others that have one; alone they are none of its rows.
    Neither are conversations for a method whose rows are something else first: the recordings of tts.
    """
    method = registry.get("methods", name)
    try:
        reading = decide(rows, data.format, data.columns, method.KINDS, aside=(data.slice, data.group)).reading
        kind = choose_kind(reading.kind, name, method, rows, reading.format, reading.mapping)
    except GaslampError:
        return False
    if kind == "conversation" != method.KINDS[0]:
        return False
    samples = _convert(rows, reading.format, reading.mapping, kind, TRIED)
    if samples and is_multimodal(name) and not any(get_images(row.get("messages") or []) for row in samples):
        return False
    return not samples or any(not method.validate(row) for row in samples)


def _look_at(name: str, rows: list[SourceRow]) -> Column:
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


def print_description(result: Description, method: str, console: Console | None = None) -> None:
    """Print a description for a person at a terminal."""
    from rich.table import Table
    from rich.text import Text

    console = console or make_safe_console(
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
    for line in result.broken:
        console.print(Text(line), style="red")
    for line in result.warnings:
        console.print(Text(line), style="yellow")
    for place, text, *_ in result.problems[:5]:
        console.print(Text(f"cannot be read: {place}: {text}"), style="red")
    if len(result.problems) > 5:
        console.print(Text(f"... and {len(result.problems) - 5} more"), style="red")
    console.print()
    for line in _get_lines(result):
        console.print(Text(line))
    if result.error is None:
        for text in result.readings:
            console.print(Text(text), style="dim")
    for number, row in enumerate(result.samples, 1):
        console.print()
        console.print(Text(f"row {number} as it will be learnt ({method})"), style="bold")
        for name, text in lay_out(row):
            console.print(Text.assemble((f"  {name:<10}", "cyan"), shorten(text, 400)))


def _get_lines(result: Description) -> list[str]:
    """Format, mapping, unused columns, methods and how to change it, a line each."""
    lines = []
    found = ""
    if meaning := result.meaning:
        reading = meaning.reading
        found = reading.kind
        gets = f"; the method gets {result.kind} rows" if result.kind not in ("", found) else ""
        lines.append(f"format   {reading.format}, which gives {found} rows{gets}")
        lines.append(f"mapping  {show_mapping(reading.mapping)}")
        lines.append(f"reason   {reading.reason} ({meaning.confidence})")
        if meaning.unused:
            names = [f"{item.name}{' (holds information)' if item.has_information else ''}" for item in meaning.unused]
            lines.append(f"unused   {', '.join(names)}: kept with each row, not learnt")
    made = [name for name in result.methods if registry.get("methods", name).KINDS[0] == found]
    others = [name for name in result.methods if name not in made]
    lines.append(f"methods  {', '.join(made or others) or 'none can learn from it as the columns are named now'}")
    if made and others:
        lines.append(f"         possible too, with a part of each row: {', '.join(others)}")
    lines.append(f"change   in config.yaml, data.columns: {write_mapping(result.mapping)}")
    if result.readings and result.error is None:
        lines.append("         or data.meaning: the number or key of another reading")
    return lines

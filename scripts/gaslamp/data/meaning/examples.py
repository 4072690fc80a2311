"""Worked examples: a row of the person's own file as each reading would teach it, to be picked by number or key."""

from __future__ import annotations

import json
from dataclasses import replace

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.judgements import ROLES, convert_kept
from gaslamp.data.meaning.readings import Meaning, Reading, get_first_method
from gaslamp.data.rows import (
    LeftOut,
    Message,
    Row,
    SourceRow,
    adapt,
    can_adapt,
    format_calls,
    get_calls,
    get_images,
    get_text,
)
from gaslamp.data.several import FIRST, TAKE, get_answers, read_several

SHOWN = 3  # readings
SHOWN_TURNS = 6  # of a row
WIDTH = 100  # letters of a text


def check_certain(meaning: Meaning, rows: list[SourceRow], kinds: tuple[str, ...] = (), name: str = "") -> None:
    """Raise unless the meaning of the columns is certain.

    Args:
        meaning: what was decided.
        rows: the sample, for the worked examples.
        kinds: what the method of the config takes.
        name: of the source.

    Raises:
        GaslampError: with two or three worked examples and the lines of config.yaml that pick each of them.
    """
    if meaning.certain:
        return
    readings = meaning.readings[:SHOWN]
    rows = put_differing_row_first(readings, rows)
    blocks = [render_reading(number, reading, rows, meaning, kinds) for number, reading in enumerate(readings, 1)]
    first = readings[0]
    keys = ", ".join(f'"{reading.key}"' for reading in readings)
    columns = ", ".join(dict.fromkeys(column for row in rows for column in row))
    raise GaslampError(
        f"what the columns{f' of {name}' if name else ''} mean is not certain ({columns}); they can be learnt as\n"
        + "\n".join(blocks),
        "pick one in config.yaml, by its number or key: data.meaning: "
        f"{1 if len(readings) == 1 else f'1 to {len(readings)}'} (or {keys})",
        f"name the columns yourself, data.columns: {first.line}",
    )


def put_differing_row_first(readings: list[Reading], rows: list[SourceRow]) -> list[SourceRow]:
    """The sample, the first row that the readings show differently in front: what sets them apart is to be seen."""
    several = [get_answers(reading.mapping) for reading in readings if reading.mapping.get(TAKE) == FIRST]
    if several:  # one answer looks the same whether a list is learnt or its first
        rows = sorted(rows, key=lambda row: len(read_several(row.get(several[0])) or []) < 2)
    for number, row in enumerate(rows):
        shown = [render_row(reading, [row]) for reading in readings]
        if all(shown) and len({tuple(lines) for lines in shown}) == len(shown):
            return [row, *rows[:number], *rows[number + 1 :]]
    return rows


def render_reading(
    number: int, reading: Reading, rows: list[SourceRow], meaning: Meaning, kinds: tuple[str, ...] = ()
) -> str:
    """One reading as lines for a terminal: its number, key and reason, and the first row as it would be learnt."""
    lines = [f"    {number}  {reading.key}: {reading.reason}"]
    lost = [name for name in _get_lost(reading, meaning) if name not in reading.columns]
    if lost:
        lines.append(f"         leaves out {', '.join(lost)}, which hold{'s' if len(lost) == 1 else ''} information")
    row = render_row(reading, rows)
    lines += [f"         {label:<10} {text}" for label, text in row[:SHOWN_TURNS]]
    if len(row) > SHOWN_TURNS:
        lines.append(f"         ... and {len(row) - SHOWN_TURNS} more turns")
    if left := find_left_out(reading, rows):
        lines.append(f"         {'left out':<10} {left}")
    change = f"data.columns: {reading.line}"
    is_refused = reading.kind == "rating" and "rating" not in kinds  # bad answers are never learnt as good ones
    if kinds and (is_refused or not any(can_adapt(reading.kind, kind) for kind in kinds)):
        change = f"method: {get_first_method(reading.rows)}, {change}"
    return "\n".join([*lines, f"         {'config':<10} {change}"])


def _get_lost(reading: Reading, meaning: Meaning) -> list[str]:
    """Columns with information that ``reading`` does not read, as far as the readings at hand know of them."""
    known = [*meaning.lost, *(column for other in meaning.readings for column in other.columns)]
    from_settings = [str(reading.mapping.get("keep", ""))]
    return [name for name in dict.fromkeys(known) if name not in from_settings]


def render_row(reading: Reading, rows: list[SourceRow]) -> list[tuple[str, str]]:
    """The first row that converts, as (role, text) lines."""
    plugin = registry.get("formats", reading.format)
    for row in rows:
        try:
            return lay_out(adapt(convert_kept(plugin.convert, row, reading.mapping), reading.kind), WIDTH)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, LeftOut):
            continue
    return []


def find_left_out(reading: Reading, rows: list[SourceRow]) -> str | None:
    """The answer of the first row that a reading leaves out by its column ``keep``, and why; ``None``: none."""
    if "keep" not in reading.mapping:
        return None
    plugin = registry.get("formats", reading.format)
    for row in rows:
        try:
            convert_kept(plugin.convert, row, reading.mapping)
        except LeftOut as reason:
            every = {role: name for role, name in reading.mapping.items() if role not in ROLES}
            shown = render_row(replace(reading, mapping=every), [row])
            return f"{shown[-1][1]} ({reason})" if shown else str(reason)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            continue
    return None


def lay_out(row: Row, width: int = 400) -> list[tuple[str, str]]:
    """A row as (role, text) lines, each text cut at ``width`` letters."""
    lines = []
    for key, value in row.items():
        if isinstance(value, list) and all(isinstance(message, dict) and "role" in message for message in value):
            for message in value:
                role = message["role"] if key in ("messages", "prompt") else key
                lines.append((role, shorten(_show_message(message), width)))
        else:
            lines.append((key, shorten(value, width)))
    return lines


def _show_message(message: Message) -> str:
    images = "".join("[image] " for _ in get_images([message]))
    calls = "".join(f" {format_calls([call])}" for call in get_calls(message))
    return images + get_text(message) + calls


def shorten(value: object, width: int = 160) -> str:
    """A cell in one line: text as it is, anything else as JSON, cut at ``width`` letters."""
    text = "" if value is None else value if isinstance(value, str) else _to_json(value)
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=lambda item: f"<{type(item).__name__}>")


def show_first_row(rows: list[SourceRow]) -> str:
    """The first row as JSON, cut at 300 letters."""
    return _to_json(rows[0])[:300] if rows else "(none)"


def show_formats(kinds: tuple[str, ...]) -> str:
    """An example of each format that gives what a method takes, one a line."""
    plugins = [(name, registry.get("formats", name)) for name in registry.names("formats")]
    return "\n".join(
        f"      {name}: {plugin.EXAMPLE}"
        for name, plugin in plugins
        if not kinds or any(can_adapt(plugin.KIND, wanted) for wanted in kinds)
    )

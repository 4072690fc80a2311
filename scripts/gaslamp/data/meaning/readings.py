"""A reading is one thing that the columns of a file can mean.

A meaning is the reading that was taken, with its alternatives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from types import ModuleType

from gaslamp.core import registry
from gaslamp.data.rows import can_adapt

Mapping = dict[str, str | list[str]]
"""Role -> column; for the role ``prompt`` also several columns, which are joined with their names as labels."""

NO_COLUMNS = (
    *("threshold", "good_if", "first_if", "second_if", "first_number", "from_language", "to_language"),
    *("prompt_end", "completion_start", "completion_end", "answers_of", "take"),
)
"""Roles whose value is a setting, not a column."""
CERTAIN = 0.7
"""A reading with a lower score is a guess."""
MARGIN = 0.2
"""How far the best reading must be ahead of the next one."""


@dataclass(frozen=True)
class Reading:
    """One thing that the columns can mean.

    Attributes:
        key: names it in ``data.meaning``; no two readings of a file share one.
        format: a plug-in of data/formats.
        mapping: what its ``convert`` takes.
        rows: what it gives: a kind of data.rows.KINDS, or ``images`` for conversations with images.
        reason: why, as a phrase.
        score: 0 to 1, how well names and cells fit it.
    """

    key: str
    format: str
    mapping: Mapping
    rows: str
    reason: str
    score: float

    @property
    def kind(self) -> str:
        """The kind of row it gives."""
        return "conversation" if self.rows == "images" else self.rows

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return get_mapped_columns(self.mapping)

    @property
    def line(self) -> str:
        """The mapping as ``data.columns`` takes it."""
        return write_mapping(self.mapping)


@dataclass(frozen=True)
class Unused:
    """A column that the reading leaves out."""

    name: str
    has_information: bool  # False: an id, a date, a link, one value only, or what another column says already


@dataclass
class Meaning:
    """What the columns mean, and what else they could.

    Attributes:
        readings: best first; the first was taken when ``certain``.
        unused: columns that the first one does not read.
        certain: names and cells leave no doubt, or the config says it.
        chosen_by: ``config`` when data.columns, data.format or data.meaning says it; else ``columns``.
    """

    readings: list[Reading]
    unused: list[Unused] = field(default_factory=list)
    certain: bool = True
    chosen_by: str = "columns"

    @property
    def reading(self) -> Reading:
        """The best reading."""
        return self.readings[0]

    @property
    def method(self) -> str:
        """The method to start with."""
        return get_first_method(self.reading.rows)

    @property
    def confidence(self) -> str:
        """``set`` by the config, ``certain`` or ``open``."""
        return "set" if self.chosen_by == "config" else "certain" if self.certain else "open"

    @property
    def lost(self) -> list[str]:
        """Columns that hold information and are not read."""
        return [column.name for column in self.unused if column.has_information]


def serves(reading: Reading, kinds: tuple[str, ...]) -> bool:
    """Whether a method that takes ``kinds`` can learn from a reading; not answers from questions alone."""
    alone = reading.kind == "prompt" and "answer" not in reading.mapping
    return any(can_adapt(reading.kind, kind) and not (alone and kind == "conversation") for kind in kinds)


def get_mapped_columns(mapping: MappingType[str, str | list[str]]) -> list[str]:
    """The columns of a mapping, each once."""
    found: list[str] = []
    for role, value in mapping.items():
        if role not in NO_COLUMNS:
            found += value if isinstance(value, list) else [value]
    return list(dict.fromkeys(found))


def get_read_anyway(plugin: ModuleType) -> tuple[str, ...]:
    """The columns that a format reads under the name of their role although its mapping does not name them."""
    names: tuple[str, ...] = getattr(plugin, "READ_ANYWAY", getattr(plugin, "OPTIONAL", ()))
    return names


def show_mapping(mapping: MappingType[str, str | list[str]]) -> str:
    """A mapping in words: ``prompt = Subject + Body, completion = Category``."""
    return ", ".join(f"{role} = {_show(value)}" for role, value in mapping.items())


def _show(value: str | list[str]) -> str:
    if isinstance(value, list):
        return " + ".join(value)
    return value if value.strip() == value and "\n" not in value else repr(value)


def write_mapping(mapping: MappingType[str, str | list[str]]) -> str:
    """A mapping as YAML in one line."""
    return "{" + ", ".join(f"{role}: {json.dumps(value, ensure_ascii=False)}" for role, value in mapping.items()) + "}"


def get_first_method(rows: str) -> str:
    """The method to start with for rows of a kind (or ``images``): the plug-in whose FIRST_FOR names it.

    Raises:
        LookupError: no method names it.
    """
    found = [name for name, first in _read_first_for("methods").items() if rows in first]
    if not found:
        raise LookupError(f"no method is the first one for {rows} rows")
    return found[0]


def get_first_reward(columns: list[str]) -> str:
    """The reward to start with for prompts with these columns.

    Of the plug-ins whose FIRST_FOR columns are all there the one with most.
    """
    fitting = {name: first for name, first in _read_first_for("rewards").items() if set(first) <= set(columns)}
    return max(fitting, key=lambda name: len(fitting[name]))


def _read_first_for(kind: str) -> dict[str, list[str]]:
    """Plug-in -> its FIRST_FOR, read as text.

    Importing all of them would need packages that an interview may not have.
    """
    result = {}
    for name in registry.names(kind):
        file = registry.find(kind, name)
        text = file.read_text(encoding="utf-8") if file else ""
        if found := re.search(r"^FIRST_FOR = \(([^)]*)\)", text, re.MULTILINE):
            result[name] = re.findall(r'"(\w+)"', found[1])
    return result

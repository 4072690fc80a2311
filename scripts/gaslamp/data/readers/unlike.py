"""Tables of a folder that are no parts of one: each has a column that the other lacks."""

from __future__ import annotations

from itertools import combinations

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.chunks import Options, Reading, parse_table
from gaslamp.data.readers.files import Found, get_reader
from gaslamp.data.readers.kinds import get_suffix

SHOWN = 6  # columns


def refuse_other_tables(found: Found, options: Options) -> None:
    """Raise for tables of text of which each has a column that the other lacks: read as one they mix two things.

    Args:
        found: the files.
        options: what the user says about them.

    Raises:
        GaslampError: names both, and the columns in which they differ.
    """
    tables = [(file, name) for file, name in found.files if get_suffix(file) in (".csv", ".tsv")]
    if not found.is_several or not 1 < len(tables) <= MOST_TABLES:
        return
    columns: dict[str, set[str]] = {}
    for file, name in tables:
        try:
            reading = Reading(file, name, None, options)
            chunk = next(iter(get_reader(reading)(reading)), None)
        except GaslampError:
            return  # its reader says what is wrong with it
        if chunk is not None and chunk.parse is parse_table:
            columns[name] = set(chunk.payload[0])
    for one, two in combinations(columns, 2):
        mine, others = columns[one] - columns[two], columns[two] - columns[one]
        if mine and others:
            raise GaslampError(
                f"two tables with different columns: only {one} has {_join_names(mine)}, only {two} has "
                f"{_join_names(others)}",
                "set data.source to one of them; where one refers to the other, join them to one table first",
                "where both hold the same under other names, name the columns alike; data.columns takes what both have",
            )


MOST_TABLES = 20
"""Tables whose columns are compared before they are read."""


def _join_names(names: set[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)[:SHOWN])

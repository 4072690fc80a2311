"""Answers that are all the same, seen before anything is trained: nothing but that answer would be learnt."""

from __future__ import annotations

from gaslamp.data.meaning.examples import shorten
from gaslamp.data.meaning.profile import look_at
from gaslamp.data.meaning.readings import Mapping
from gaslamp.data.rows import SourceRow

ROLES = ("completion", "output", "answer", "chosen")
"""Roles of what the model writes."""


def warn_of_one_answer(rows: list[SourceRow], mapping: Mapping) -> list[str]:
    """A warning when the column of the answers holds one value alone; none for few rows.

    Args:
        rows: the sample.
        mapping: how it is read.
    """
    column = next((mapping[role] for role in ROLES if role in mapping), None)
    if not isinstance(column, str):
        return []
    cells = [row.get(column) for row in rows]
    if not look_at(column, cells).constant:
        return []
    value = next(cell for cell in cells if cell not in (None, "", [], {}))
    return [
        f"all of the first {len(rows)} rows have the same answer ('{column}' is {shorten(value, 40)}): a model that "
        "always writes it makes no mistake. Add rows with other answers; a file that is sorted by them only begins so"
    ]

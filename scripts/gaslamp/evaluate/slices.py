"""Parts of the test set that are scored apart: by any column, and by similarity to training rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import Row

MAX_VALUES = 12  # more values of a column than this: the most frequent, and the rest together
NEAR, FAR = "near a training row", "not near a training row"


def get_slices(rows: list[Row], column: str, further: list[str], near: set[str]) -> dict[str, list[int]]:
    """Name of a slice -> the positions of its rows. A column with one value in all rows makes no slice.

    Args:
        rows: test rows.
        column: of data.slice; its values are the names.
        further: columns of eval.slices; the names are ``column: value``.
        near: ids of rows whose prompt is nearly that of a training row.

    Raises:
        GaslampError: a column that no row has.
    """
    slices = _split([row.get("slice") for row in rows], "")
    for name in further:
        if name == column:
            continue
        values = [row.get("columns", {}).get(name, row.get(name)) for row in rows]
        if all(value is None for value in values):
            known = sorted({key for row in rows for key in row.get("columns", {})})
            raise GaslampError(
                f"eval.slices: no test row has a column '{name}'",
                f"it has: {', '.join(known) or 'no further columns'}",
                "run the data phase again",
            )
        slices |= _split(_bin(values), f"{name}: ")
    marks = [NEAR if row["id"] in near else FAR for row in rows]
    return slices | (_split(marks, "") if near else {})


def _bin(values: list[Any]) -> list[Any]:
    """Many different numbers become four ranges with as many rows each."""
    numbers = sorted(value for value in values if isinstance(value, int | float) and not isinstance(value, bool))
    if len(numbers) < sum(value is not None for value in values) or len(set(numbers)) <= MAX_VALUES:
        return values
    edges = [numbers[len(numbers) * part // 4] for part in range(1, 4)]
    names = [
        f"below {edges[0]:g}",
        f"{edges[0]:g} to {edges[1]:g}",
        f"{edges[1]:g} to {edges[2]:g}",
        f"from {edges[2]:g}",
    ]
    return [None if value is None else names[sum(value >= edge for edge in edges)] for value in values]


def _split(values: list[Any], prefix: str) -> dict[str, list[int]]:
    found = Counter(str(value) for value in values if value is not None)
    if len(found) < 2:
        return {}
    kept = {name for name, _ in found.most_common(MAX_VALUES)}
    parts: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        if value is not None:
            name = str(value) if str(value) in kept else "all others"
            parts.setdefault(f"{prefix}{name}", []).append(place)
    return dict(sorted(parts.items()))

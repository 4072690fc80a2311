"""Names of splits, as people write them."""

from __future__ import annotations

import re
from pathlib import Path

from gaslamp.data.rows import SourceRow

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "eval": "valid",
    "test": "test",
    "testing": "test",
}
"""A word for a split -> train, valid or test."""
SPLIT_ROWS = 50  # that all name a split, before a row that does not is an error


def get_split(name: object) -> str | None:
    """The split that a cell or a key names, whatever its case: ``Train`` -> train; ``None`` when it is none."""
    return SPLIT_NAMES.get(str(name).strip().lower())


def names_splits(column: str, rows: list[SourceRow]) -> bool:
    """Whether a column is called split, in any case, and every one of the first rows names one there."""
    return column.strip().lower() == "split" and all(get_split(row.get(column)) for row in rows[:SPLIT_ROWS])


def get_file_split(file: Path) -> str | None:
    """The split in the name of a file: ``train-00000-of-00001.parquet`` -> train, ``validation.csv`` -> valid."""
    match = re.match(r"(train(?:ing)?|valid(?:ation)?|val|dev|test)(?![a-z])", file.name.lower())
    return SPLIT_NAMES[match[1]] if match else None


def are_obeyed(splits: list[str | None]) -> bool:
    """Whether the splits that files, sheets or parts name are obeyed.

    Each names one, one is train and another is not.
    """
    return all(splits) and "train" in splits and len(set(splits)) > 1

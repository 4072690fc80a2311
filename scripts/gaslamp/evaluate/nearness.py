"""Test rows that ask nearly what a training row asks: a good score there may be memory, so they are marked and scored apart."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from gaslamp.data.rows import get_kind, get_prompt, get_text

NEAR = 0.8  # Jaccard likeness of word triples
WORDS = 3


def get_evaluation_reasons(row: dict[str, Any]) -> str:
    """The words of a row that a model sees before it answers; system turns are the same everywhere and are left out."""
    kind = get_kind(row)
    if kind == "text":
        return str(row["text"])
    if kind == "pair":
        return str(row["anchor"])
    return " ".join(get_text(message) for message in get_prompt(row) if message["role"] != "system")


def get_shingles(text: str) -> set[int]:
    """Hashes of every three words in a row; a shorter text is one piece."""
    words = re.findall(r"\w+", text.casefold())
    if len(words) <= WORDS:
        return {hash(tuple(words))} if words else set()
    return {hash(tuple(words[n : n + WORDS])) for n in range(len(words) - WORDS + 1)}


def find_near(
    test: list[dict[str, Any]], train: Iterable[dict[str, Any]], least: float = NEAR
) -> dict[str, tuple[str, float]]:
    """Test row id -> (training row id, likeness from ``least`` to 1) of the nearest training row.

    Only the test rows are indexed, so that the training rows may be any number: they are read once and forgotten.
    """
    pieces = {row["id"]: get_shingles(get_evaluation_reasons(row)) for row in test}
    index: dict[int, list[str]] = defaultdict(list)
    for row_id, shingles in pieces.items():
        for shingle in shingles:
            index[shingle].append(row_id)
    nearest: dict[str, tuple[str, float]] = {}
    for row in train:
        own = get_shingles(get_evaluation_reasons(row))
        shared: dict[str, int] = defaultdict(int)
        for shingle in own:
            for row_id in index.get(shingle, ()):
                shared[row_id] += 1
        for row_id, count in shared.items():
            likeness = count / (len(own) + len(pieces[row_id]) - count)
            if likeness >= least and likeness > nearest.get(row_id, ("", 0.0))[1]:
                nearest[row_id] = (str(row["id"]), round(likeness, 3))
    return nearest

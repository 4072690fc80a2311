"""Test rows whose prompt is nearly that of a training row: a good score may be memorized,
so they are marked and scored apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from gaslamp.data.rows import Row, get_kind, get_prompt, get_text

SIMILARITY = 0.8  # Jaccard similarity of word trigrams
NGRAM = 3  # words


NearDuplicates = dict[str, tuple[str, float]]
"""Test row id -> (training row id, similarity) of the most similar training row."""


def get_input_text(row: Row) -> str:
    """The text of a row's prompt; system turns are left out, as all rows share them."""
    kind = get_kind(row)
    if kind == "text":
        return str(row["text"])
    if kind == "pair":
        return str(row["anchor"])
    return " ".join(get_text(message) for message in get_prompt(row) if message["role"] != "system")


def get_shingles(text: str) -> set[int]:
    """Hashes of all word trigrams; a shorter text is one piece."""
    words = re.findall(r"\w+", text.casefold())
    if len(words) <= NGRAM:
        return {hash(tuple(words))} if words else set()
    return {hash(tuple(words[n : n + NGRAM])) for n in range(len(words) - NGRAM + 1)}


def find_near_duplicates(test: list[Row], train: Iterable[Row], threshold: float = SIMILARITY) -> NearDuplicates:
    """Test row id -> (training row id, similarity from ``threshold`` to 1) of the nearest training row.

    Only the test rows are indexed, so that any number of training rows can be streamed.
    """
    pieces = {row["id"]: get_shingles(get_input_text(row)) for row in test}
    index: dict[int, list[str]] = defaultdict(list)
    for row_id, shingles in pieces.items():
        for shingle in shingles:
            index[shingle].append(row_id)
    nearest: NearDuplicates = {}
    for row in train:
        own = get_shingles(get_input_text(row))
        shared: dict[str, int] = defaultdict(int)
        for shingle in own:
            for row_id in index.get(shingle, ()):
                shared[row_id] += 1
        for row_id, count in shared.items():
            similarity = count / (len(own) + len(pieces[row_id]) - count)
            if similarity >= threshold and similarity > nearest.get(row_id, ("", 0.0))[1]:
                nearest[row_id] = (str(row["id"]), round(similarity, 3))
    return nearest

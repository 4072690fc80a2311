"""Rows with nearly the same text: MinHash signatures and locality-sensitive hashing, linear in the number of rows.

The similarity of two texts is the Jaccard index of their sets of five-byte pieces, lower case and with single blanks.
It is estimated from 64 MinHash values (standard error at most 0.06, 0.04 near 0.9) that `rensa` computes; rows are
compared only when they agree in one of eight bands of eight values, which pairs of similarity 0.9 do with a chance of
99 %, of 0.6 with 13 %.

Pieces that stand in more than half of the rows (an instruction that opens every row) are the task's own wording: they
do not count, or every short question under the same instruction would be its neighbour's twin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeAlias

from gaslamp.core.files import JsonObject, sha256_text
from gaslamp.data.rows import KINDS, Row, get_images, get_kind, get_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Words: TypeAlias = NDArray[np.uint64]
    Integers: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]
    Signatures: TypeAlias = NDArray[np.uint32]

PIECE = 5  # bytes; a changed word of a 20-word sentence leaves about 0.85
HASHES, BANDS = 64, 8
BATCH = 512  # rows whose pieces fit into the processor's cache: three times as fast as 4096
SEED = 3407
COMMON = 0.5  # share of rows from which a piece is the wording of the task itself
ENOUGH, LOOKED_AT = 200, 4096  # rows that are needed to know that wording; rows that are looked at
QUIET = str.maketrans(
    "", "", ".,;:!?\"'`\u2018\u2019\u201c\u201d\u2026"
)  # in which two spellings of one sentence differ


@dataclass(frozen=True)
class Twins:
    """Rows with an earlier or known row that is nearly the same; arrays of equal length, ordered by ``rows``."""

    rows: Integers  # int64 (n,): positions
    twins: Integers  # int64 (n,): position of the other
    similarity: NDArray[np.float64]  # float64 (n,): estimated Jaccard index


def get_near_text(row: Row) -> str:
    """What is compared: all that a row says, without its system prompt, which many rows share.

    Lower case, single blanks, no full stops and quotes.

    Each picture adds 64 letters of a hash, so that the same question about another picture is another row.
    """
    parts: list[str] = []
    for key in KINDS[get_kind(row)]:
        value = row[key]
        if isinstance(value, str):
            parts.append(value)
        elif isinstance(value, list):
            parts += [get_text(message) for message in value if message.get("role") != "system"]
            parts += [sha256_text(path) for path in get_images(value)]
    return " ".join(" ".join(parts).lower().translate(QUIET).split())


def get_signatures(texts: Iterable[str]) -> Signatures:
    """MinHash values of ``texts``: uint32 (n, 64).

    Equal texts have equal values; texts below five bytes count as one piece.
    """
    import numpy as np
    import rensa

    blocks = []
    source = iter(texts)
    head = list(islice(source, LOOKED_AT))
    common = _find_common(*_cut(head)) if len(head) >= ENOUGH else np.empty(0, dtype=np.uint64)
    source = chain(head, source)
    while batch := list(islice(source, BATCH)):
        pieces, counts = _cut(batch)
        if len(common):
            slot = np.searchsorted(common, pieces).clip(max=len(common) - 1)
            kept = common[slot] != pieces
            owner = np.repeat(np.arange(len(counts)), counts)
            left = np.bincount(owner[kept], minlength=len(counts))
            kept |= (left == 0)[owner]  # a row of nothing else keeps what it has
            pieces, counts = pieces[kept], np.where(left == 0, counts, left)
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.uint64)
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(pieces, offsets, HASHES, SEED)
        blocks.append(np.array(matrix.to_rows(), dtype=np.uint32))
    return np.concatenate(blocks) if blocks else np.empty((0, HASHES), dtype=np.uint32)


def _cut(texts: list[str]) -> tuple[Words, Integers]:
    """Hashed five-byte pieces of all texts, one after another.

    Uint64 (total,), and how many each text has: int64 (n,).
    """
    import numpy as np

    encoded = [text.encode("utf-8", "surrogatepass").ljust(PIECE) for text in texts]
    letters = np.frombuffer(b"".join(encoded) + bytes(8 - PIECE), dtype=np.uint8)
    lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
    # every window of eight bytes as one number, cut to five; then the windows that lie inside one text
    windows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(letters, 8)).view(
        "<u8"
    ).ravel() & np.uint64(2 ** (8 * PIECE) - 1)
    counts = lengths - PIECE + 1
    ends = np.cumsum(counts)
    starts = np.cumsum(lengths) - lengths
    return _mix(windows[np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)]), counts


def _find_common(pieces: Words, counts: Integers) -> Words:
    """The pieces of the task's own wording, sorted: those that stand in more than half of the texts."""
    import numpy as np

    owner = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    order = np.lexsort((owner, pieces))
    ranked, owners = pieces[order], owner[order]
    first_in_text = np.concatenate(([True], (ranked[1:] != ranked[:-1]) | (owners[1:] != owners[:-1])))
    values, texts = np.unique(ranked[first_in_text], return_counts=True)
    return values[texts > COMMON * len(counts)]


def _mix(values: Words) -> Words:
    """SplitMix64 on an array: bytes of text are no even hash."""
    import numpy as np

    values = values * np.uint64(0x9E3779B97F4A7C15)
    values ^= values >> np.uint64(29)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(32)
    return values


def find_twins(
    signatures: Signatures, threshold: float, queried: Mask | None = None, known: Mask | None = None
) -> Twins:
    """The rows of ``queried`` that have a near twin among ``known``.

    Args:
        signatures: from get_signatures, (n, 64).
        threshold: similarity from which two rows are twins, above 0 and at most 1.
        queried: bool (n,): the rows in question; None: all. A row is never its own twin: of a group the first one is
            not reported.
        known: bool (n,): the rows that they are compared with; None: all.
    """
    import numpy as np

    count = len(signatures)
    queried = np.ones(count, bool) if queried is None else queried
    known = np.ones(count, bool) if known is None else known
    best = np.full(count, -1.0)
    twins = np.full(count, -1, dtype=np.int64)
    width = HASHES // BANDS
    for band in range(BANDS):
        part = signatures[:, band * width : (band + 1) * width].astype(np.uint64)
        keys = np.zeros(count, dtype=np.uint64)
        for column in range(width):
            keys = _mix(keys ^ part[:, column]) + np.uint64(column + 1)
        order = np.argsort(keys, kind="stable")
        ranked = keys[order]
        fresh = np.concatenate(([True], ranked[1:] != ranked[:-1])) if count else np.empty(0, bool)
        group = np.cumsum(fresh) - 1
        starts = np.flatnonzero(fresh)
        if not len(starts) or len(starts) == count:
            continue
        position = np.where(known[order], np.arange(count), count)
        first = np.minimum.reduceat(position, starts)[group]  # the first known row of the bucket
        last = np.maximum.accumulate(np.where(known[order], np.arange(count), -1))  # the nearest known row before
        before = np.concatenate(([-1], last[:-1]))
        for other in (first, before):
            usable = queried[order] & (other >= starts[group]) & (other < count) & (other != np.arange(count))
            usable &= known[order] <= (other < np.arange(count))  # among known rows the later one is the twin
            here = order[usable]
            there = order[other[usable]]
            for start in range(0, len(here), 100_000):
                a, b = here[start : start + 100_000], there[start : start + 100_000]
                similarity = (signatures[a] == signatures[b]).mean(axis=1)
                better = (similarity >= threshold) & (similarity > best[a])
                best[a[better]], twins[a[better]] = similarity[better], b[better]
    rows = np.flatnonzero(twins >= 0)
    return Twins(rows, twins[rows], best[rows])


def compare_samples(samples: Iterable[Any], shared: JsonObject) -> tuple[Signatures, list[str]]:
    """Signatures and splits of all samples, computed once for all checks of a stage (``shared`` is Facts.shared)."""
    if "near" not in shared:
        splits: list[str] = []

        def texts() -> Iterator[str]:
            for sample in samples:
                splits.append(sample.split)
                yield get_near_text(sample.row)

        shared["near"] = get_signatures(texts()), splits
    return shared["near"]  # type: ignore[no-any-return]

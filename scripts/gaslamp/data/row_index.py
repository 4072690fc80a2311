"""What is known of each row of a spool besides its text, on the disk: 48 bytes a row, read in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Records: TypeAlias = NDArray[np.void]
    Words: TypeAlias = NDArray[np.uint64]
    Integers: TypeAlias = NDArray[np.int64]
    Mask: TypeAlias = NDArray[np.bool_]

BLOCK = 1 << 16  # rows of a block: 3 MB; a multiple of 8
PARTITION = 1 << 17  # rows whose digests are sorted together: 3 MB
PARTS = 512  # at most; more rows than PARTS * PARTITION make the partitions larger
FIELDS = [
    ("low", "u8"),  # digest: equal for exact duplicates
    ("high", "u8"),
    ("position", "f8"),  # in [0, 1), decides the split
    ("number", "i8"),  # of the row in its file
    ("label", "u4"),  # of the file
    ("size", "u4"),  # of the line, bytes
    ("code", "u1"),  # index in SPLITS
]
PLACE = [("number", "i8"), ("label", "u4")]


def read_blocks(file: Path, fields: list[tuple[str, str]]) -> Iterator[tuple[int, Records]]:
    """Number of the first row and records of each block of ``file``, in order."""
    import numpy

    kind = numpy.dtype(fields, align=True)
    with file.open("rb") as handle:
        start = 0
        while data := handle.read(BLOCK * kind.itemsize):
            records = numpy.frombuffer(data, dtype=kind)
            yield start, records
            start += len(records)


def make_records(count: int, fields: list[tuple[str, str]]) -> Records:
    """``count`` records of zeros."""
    import numpy

    return numpy.zeros(count, dtype=numpy.dtype(fields, align=True))


def read_record(file: Path, number: int, fields: list[tuple[str, str]]) -> Any:
    """One record of ``file``."""
    import numpy

    kind = numpy.dtype(fields, align=True)
    return numpy.fromfile(file, dtype=kind, count=1, offset=number * kind.itemsize)[0]


@dataclass
class Repeats:
    """Rows that are exactly the same as an earlier one: a bit for each row, 1 for a repeat, and how many there are."""

    bits: NDArray[np.uint8]
    count: int = 0

    def get_mask(self, start: int, count: int) -> Mask:
        """Which of ``count`` rows from ``start`` on are repeats; ``start`` is a multiple of 8."""
        import numpy

        bits = self.bits[start // 8 : (start + count + 7) // 8]
        return numpy.unpackbits(bits, count=count, bitorder="little").astype(bool)

    def add(self, rows: Integers) -> None:
        """These rows are repeats."""
        import numpy

        numpy.bitwise_or.at(self.bits, rows >> 3, (1 << (rows & 7)).astype(numpy.uint8))
        self.count += len(rows)

    def get_first(self, count: int) -> list[int]:
        """At most ``count`` repeats, in order."""
        import numpy

        found: list[int] = []
        for start in range(0, len(self.bits), BLOCK // 8):
            bits = numpy.unpackbits(self.bits[start : start + BLOCK // 8], bitorder="little")
            found += (8 * start + numpy.flatnonzero(bits)[: count - len(found)]).tolist()
            if len(found) == count:
                break
        return found


def find_repeats(index: Path, count: int) -> Repeats:
    """Of rows with equal digests all but the first.

    Repeats inside a block are found at once. The other digests are divided by their value into partitions on the disk,
    each small enough to be sorted in memory: that grows with the rows by a bit for each.

    Args:
        index: file of FIELDS.
        count: of its rows.
    """
    import numpy

    repeats = Repeats(numpy.zeros(count // 8 + 1, dtype=numpy.uint8))
    parts = min(PARTS, -(-count // PARTITION))
    files = [index.with_name(f"digests.{part}") for part in range(parts)]
    for start, records in read_blocks(index, FIELDS):
        low, high = records["low"], records["high"]
        rows = numpy.arange(start, start + len(records), dtype=numpy.uint64)
        new = ~_find_later(low, high)
        repeats.add(rows[~new].astype(numpy.int64))
        if count <= BLOCK:
            break
        triples = numpy.column_stack([low[new], high[new], rows[new]])
        part_of = triples[:, 1] % numpy.uint64(parts)
        order = numpy.argsort(part_of, kind="stable")
        ends = numpy.searchsorted(part_of[order], numpy.arange(parts + 1, dtype=numpy.uint64)).tolist()
        for part, file in enumerate(files):
            with file.open("ab") as handle:
                handle.write(triples[order[ends[part] : ends[part + 1]]].tobytes())
    for file in files if count > BLOCK else ():
        low, high, rows = numpy.fromfile(file, dtype=numpy.uint64).reshape(-1, 3).T
        repeats.add(rows[_find_later(low, high)].astype(numpy.int64))
        file.unlink()
    return repeats


def _find_later(low: Words, high: Words) -> Mask:
    """Which digests stand earlier in the same arrays."""
    import numpy

    order = numpy.argsort(low, kind="stable")
    same = low[order][1:] == low[order][:-1]
    if same.any() and (high[order][1:] != high[order][:-1])[same].any():  # equal halves of two digests: hardly ever
        order = numpy.lexsort((high, low))
        same = (low[order][1:] == low[order][:-1]) & (high[order][1:] == high[order][:-1])
    later = numpy.zeros(len(low), dtype=bool)
    later[order[1:][same]] = True
    return later


def find_originals(index: Path, repeats: list[int]) -> list[tuple[Any, Any]]:
    """The records of ``repeats`` (numbers of rows), each with that of the first row with the same digest."""
    import numpy

    records = [read_record(index, number, FIELDS) for number in repeats]
    originals: dict[tuple[int, int], Any] = {}
    wanted = {(int(record["low"]), int(record["high"])) for record in records}
    lows = numpy.array([low for low, _ in wanted], dtype=numpy.uint64)
    for _, block in read_blocks(index, FIELDS):
        for number in numpy.flatnonzero(numpy.isin(block["low"], lows)).tolist():
            digest = int(block["low"][number]), int(block["high"][number])
            if digest in wanted:
                originals.setdefault(digest, block[number])
        if len(originals) == len(wanted):
            break
    return [(record, originals[int(record["low"]), int(record["high"])]) for record in records]

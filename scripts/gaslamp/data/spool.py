"""Rows on their way to the splits: written to a work folder as they come, so that memory does not grow with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from gaslamp.data.allotment import TEST, TRAIN, VALID, Allotment
from gaslamp.data.checking import KEPT, Sample
from gaslamp.data.conversion import SPLITS, Converted
from gaslamp.data.readers.chunks import write_place
from gaslamp.data.row_index import FIELDS, PLACE, find_originals, find_repeats, make_records, read_blocks
from gaslamp.data.splitting import get_positions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gaslamp.data.row_index import Records

    Integers: TypeAlias = NDArray[np.int64]

PIECE = 1 << 20  # bytes of rows that are copied together


@dataclass
class Spool:
    """Divides converted rows into splits.

    By the position of a row (a hash of its prompt, in [0, 1)): below ``test`` it is a test row, of which at most
    ``max_test`` with the lowest positions are kept; below ``test + valid`` a validation row; else a training row. A
    row that says its split itself goes there.

    All rows go to one file and what decides about them to another (gaslamp.data.row_index); ``finish`` divides them.

    Attributes:
        folder: work folder; after ``finish`` a file of lines for each split in it, and one with the places of its rows.
        counts: rows of each split, set by ``finish``.
        duplicates: rows left out because an equal one came before.
        dropped: test rows over max_test.
        test_from_train: training rows that became test rows, because the source has splits and none for the test.
        systems: with data.system_as_user: the system prompts of the rows, None for a row without.
    """

    folder: Path
    settings: Any  # data.split
    by_column: bool
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    duplicates: int = 0
    dropped: int = 0
    test_from_train: int = 0
    systems: set[str | None] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._labels: dict[str, int] = {}
        self._names: list[str] = []  # labels by their number
        self._repeated: list[tuple[str, str]] = []  # places of the first exact duplicates, and of what they repeat
        self._rows, self._index = self.folder / "rows", self.folder / "rows.index"
        self._files: list[BinaryIO] = [self._rows.open("wb"), self._index.open("wb")]
        self._count = 0

    def add(self, rows: Converted, stays: bool = False) -> None:
        """Add a converted chunk; ``stays``: no row moves to another split, however few rows there are."""
        import numpy

        if not rows.lines:
            return
        self.systems |= rows.systems
        positions = get_positions(rows.questions, self.settings.seed)
        given = numpy.frombuffer(rows.splits, dtype=numpy.uint8)
        test, valid = self.settings.test, self.settings.test + self.settings.valid
        by_position = numpy.where(positions < test, TEST, numpy.where(positions < valid, VALID, TRAIN))
        records = make_records(len(rows.lines), FIELDS)
        digests = numpy.frombuffer(rows.digests, dtype=numpy.uint64)
        records["low"], records["high"] = digests[0::2], digests[1::2]
        records["position"] = 1.0 if stays else positions
        records["number"], records["label"] = rows.numbers, self._get_label(rows.label)
        records["size"] = list(map(len, rows.lines))
        records["code"] = numpy.where(given > 0, given - 1, by_position)
        for file, data in zip(self._files, (b"".join(rows.lines), records.tobytes()), strict=True):
            file.write(data)
        self._count += len(records)

    def _get_label(self, label: str) -> int:
        if label not in self._labels:
            self._labels[label] = len(self._names)
            self._names.append(label)
        return self._labels[label]

    def _get_place(self, record: Any) -> str:
        return write_place(self._names[record["label"]], int(record["number"]))

    def finish(self) -> None:
        """Leave exact duplicates out, give a small set test and validation rows too, and write every split."""
        for file in self._files:
            file.close()
        repeats = find_repeats(self._index, self._count)
        self.duplicates = repeats.count
        self._repeated = [
            (self._get_place(record), self._get_place(original))
            for record, original in find_originals(self._index, repeats.get_first(KEPT))
        ]
        allotment = Allotment(self._index, repeats, self.settings, self.by_column)
        self.counts = dict(zip(SPLITS, allotment.counts, strict=True))
        self.dropped = self.counts["test"] - len(allotment.tests)
        self.counts["test"] = len(allotment.tests)
        self.test_from_train = min(allotment.test_from_train, self.counts["test"])
        self._divide(allotment)
        self._rows.unlink()
        self._index.unlink()

    def _divide(self, allotment: Allotment) -> None:
        """Copy the rows to the files of their splits: training and validation rows in order, test rows as chosen."""
        import numpy

        tests = numpy.sort(allotment.tests)
        found, begins = [make_records(0, FIELDS)], [numpy.empty(0, dtype=numpy.int64)]
        offset = 0
        with (
            self._rows.open("rb") as source,
            self._open("train", "jsonl") as train,
            self._open("valid", "jsonl") as valid,
            self._open("train", "places") as train_places,
            self._open("valid", "places") as valid_places,
        ):
            for start, records in read_blocks(self._index, FIELDS):
                codes = allotment.get_codes(start, records)
                ends = numpy.cumsum(records["size"], dtype=numpy.int64)
                for code, places in ((TRAIN, train_places), (VALID, valid_places)):
                    places.write(_get_places(records[codes == code]).tobytes())
                for first, last in _cut(ends):
                    size = int(ends[last - 1] - (ends[first - 1] if first else 0))
                    piece = memoryview(source.read(size))
                    bounds = numpy.concatenate(([0], numpy.cumsum(records["size"][first:last], dtype=numpy.int64)))
                    for code, file in ((TRAIN, train), (VALID, valid)):
                        file.write(b"".join(_get_runs(piece, codes[first:last] == code, bounds)))
                here = tests[numpy.searchsorted(tests, start) : numpy.searchsorted(tests, start + len(records))] - start
                found.append(records[here])
                begins.append(offset + ends[here] - records["size"][here])
                offset += int(ends[-1])
        order = numpy.searchsorted(tests, allotment.tests)
        chosen, places_of_lines = numpy.concatenate(found)[order], numpy.concatenate(begins)[order]
        with (
            self._rows.open("rb") as source,
            self._open("test", "jsonl") as test,
            self._open("test", "places") as places,
        ):
            for begin, size in zip(places_of_lines.tolist(), chosen["size"].tolist(), strict=True):
                source.seek(begin)
                test.write(source.read(size))
            places.write(_get_places(chosen).tobytes())

    def _open(self, split: str, kind: str, mode: str = "wb") -> BinaryIO:
        return (self.folder / f"{split}.{kind}").open(mode)  # type: ignore[return-value]

    def _read_lines(self, split: str) -> Iterator[tuple[bytes, str]]:
        with self._open(split, "jsonl", "rb") as lines:
            for _, records in read_blocks(self.folder / f"{split}.places", PLACE):
                numbers, labels = records["number"].tolist(), records["label"].tolist()
                for line, number, label in zip(islice(lines, len(numbers)), numbers, labels, strict=True):
                    yield line, write_place(self._names[label], number)

    def append(self, split: str, line: bytes, label: str, number: int) -> None:
        """One more row, after ``finish``; ``label`` and ``number`` together are its place."""
        place = make_records(1, PLACE)
        place["number"], place["label"] = number, self._get_label(label)
        with self._open(split, "jsonl", "ab") as lines, self._open(split, "places", "ab") as places:
            lines.write(line)
            places.write(place.tobytes())
        self.counts[split] += 1

    def drop(self, split: str, numbers: list[int]) -> None:
        """Remove rows of one split after ``finish``; ``numbers`` count from 0, in the order of the file."""
        import numpy

        if not numbers:
            return
        dropped = set(numbers)
        with self._open(split, "jsonl", "rb") as source, self._open("kept", "jsonl") as lines:
            lines.writelines(line for number, line in enumerate(source) if number not in dropped)
        with self._open("kept", "places") as places:
            for start, records in read_blocks(self.folder / f"{split}.places", PLACE):
                here = [number not in dropped for number in range(start, start + len(records))]
                places.write(records[numpy.array(here)].tobytes())
        for kind in ("jsonl", "places"):
            os.replace(self.folder / f"kept.{kind}", self.folder / f"{split}.{kind}")
        self.counts[split] -= len(dropped)

    def find_repeated(self) -> Iterator[tuple[str, str]]:
        """The first exact duplicates, each with what it repeats."""
        for place, original in self._repeated:
            yield place, f"is exactly the same as {original}"

    def __iter__(self) -> Iterator[Sample]:
        """Every row of every split, as often as wanted, read from the disk."""
        for split in SPLITS:
            yield from self.read(split)

    def read(self, split: str) -> Iterator[Sample]:
        """The rows of one split with the places they came from."""
        import orjson

        for line, place in self._read_lines(split):
            yield Sample(place, orjson.loads(line), split)


def _get_places(records: Records) -> Records:
    places = make_records(len(records), PLACE)
    for name, _ in PLACE:
        places[name] = records[name]
    return places


def _cut(ends: Integers) -> Iterator[tuple[int, int]]:
    """First and last row (excluded) of pieces of about PIECE bytes; ``ends``: where each row ends, in bytes."""
    import numpy

    first = 0
    while first < len(ends):
        begin = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(numpy.searchsorted(ends, begin + PIECE)))
        yield first, last
        first = last


def _get_runs(piece: memoryview, chosen: NDArray[np.bool_], bounds: Integers) -> Iterator[memoryview]:
    """The chosen rows of a piece, neighbours together; ``bounds``: where each row begins, and the end of the last."""
    import numpy

    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([False], chosen, [False])).astype(numpy.int8)))
    places = bounds[edges].tolist()
    return (piece[begin:end] for begin, end in zip(places[0::2], places[1::2], strict=True))

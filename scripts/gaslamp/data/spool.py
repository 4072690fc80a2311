"""Rows on their way to the splits: written to a work folder as they come, so that memory does not grow with them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaslamp.data.checking import KEPT, Sample
from gaslamp.data.convert import SPLITS, Converted
from gaslamp.data.splitting import Seen, get_positions

BORDER = 64  # of the rows that are no test rows, so many of the lowest positions are remembered, to fill a tiny split


@dataclass
class _Test:
    position: float
    order: int
    line: bytes
    place: str


@dataclass
class Spool:
    """Divides converted rows into splits.

    By the position of a row (a hash of its prompt, in [0, 1)): below ``test`` it is a test row, of which at most
    ``max_test`` with the lowest positions are kept; below ``test + valid`` a validation row; else a training row. A
    row that says its split itself goes there.

    Attributes:
        folder: work folder; train.jsonl and valid.jsonl in it, each with two companion files: the places of the rows,
            a line each,
            and their positions, eight bytes each.
        counts: rows of each split; test is set by ``finish``.
        duplicates: rows left out because an equal one came before.
        dropped: test rows over max_test.
        test_from_train: training rows that became test rows, because the source has splits and none for the test.
    """

    folder: Path
    settings: Any  # data.split
    by_column: bool
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    duplicates: int = 0
    dropped: int = 0
    test_from_train: int = 0

    def __post_init__(self) -> None:
        self._seen = Seen()
        self._tests: list[_Test] = []
        self._limit = 2.0  # test rows at or above this position are over max_test for sure
        self._order = 0
        self._repeated: list[tuple[str, str]] = []  # place and id of the first exact duplicates
        self._lowest: list[float] = []
        self._files = {split: (self.folder / f"{split}.jsonl").open("wb") for split in ("train", "valid")}
        self._places = {
            split: (self.folder / f"{split}.places").open("w", encoding="utf-8", newline="\n")
            for split in ("train", "valid")
        }
        self._positions = {split: (self.folder / f"{split}.positions").open("wb") for split in ("train", "valid")}

    def add(self, rows: Converted) -> None:
        """Add a converted chunk: leave exact duplicates out, send every other row to its split."""
        import numpy

        if not rows.lines:
            return
        new = self._seen.add(rows.digests)
        repeated = numpy.flatnonzero(~new).tolist()
        self.duplicates += len(repeated)
        for index in repeated[: KEPT - len(self._repeated)]:
            self._repeated.append(
                (f"{rows.label} {rows.numbers[index]}", rows.digests[16 * index : 16 * index + 8].hex())
            )
        positions = get_positions(rows.questions, self.settings.seed)
        given = numpy.frombuffer(rows.splits, dtype=numpy.uint8)
        test, valid = self.settings.test, self.settings.test + self.settings.valid
        codes = numpy.where(
            given > 0, given - 1, numpy.where(positions < test, 2, numpy.where(positions < valid, 1, 0))
        )
        for code, split in ((0, "train"), (1, "valid")):
            chosen = numpy.flatnonzero(new & (codes == code)).tolist()
            if chosen:
                self._write(split, rows, chosen, positions)
        for index in numpy.flatnonzero(new & (codes == 2) & (positions < self._limit)).tolist():
            self._tests.append(
                _Test(
                    float(positions[index]),
                    self._order + index,
                    rows.lines[index],
                    f"{rows.label} {rows.numbers[index]}",
                )
            )
        self.counts["test"] += int((new & (codes == 2)).sum())
        self._order += len(new)
        if len(self._tests) > 2 * self.settings.max_test + 1000:
            self._cut()
        if not self.by_column:
            rest = positions[new & (codes != 2)]
            self._lowest = sorted({*self._lowest, *(numpy.sort(rest)[:BORDER].tolist() if len(rest) else ())})[:BORDER]

    def _write(self, split: str, rows: Converted, chosen: list[int], positions: Any) -> None:
        lines, numbers, label = rows.lines, rows.numbers, rows.label
        self._files[split].write(b"".join([lines[index] for index in chosen]))
        self._places[split].write("".join([f"{label} {numbers[index]}\n" for index in chosen]))
        self._positions[split].write(positions[chosen].tobytes())
        self.counts[split] += len(chosen)

    def _cut(self) -> None:
        self._tests.sort(key=lambda row: (row.position, row.order))
        del self._tests[self.settings.max_test :]
        self._limit = self._tests[-1].position + 1e-300

    def finish(self) -> None:
        """Close the files, give a small set test and validation rows too, and write the test rows."""
        for handle in (*self._files.values(), *self._places.values(), *self._positions.values()):
            handle.close()
        if not self.by_column:
            self._fill()
        elif not self.counts["test"] and self.counts["train"]:
            self._take_test()
        self._cut() if len(self._tests) > self.settings.max_test else None
        self.dropped = self.counts["test"] - len(self._tests)
        self.counts["test"] = len(self._tests)
        self._tests.sort(key=lambda row: row.order if self.by_column else (row.position, row.order))  # type: ignore[arg-type, return-value]
        with (
            (self.folder / "test.jsonl").open("wb") as lines,
            (self.folder / "test.places").open("w", encoding="utf-8", newline="\n") as places,
        ):
            for row in self._tests:
                lines.write(row.line)
                places.write(f"{row.place}\n")

    def _fill(self) -> None:
        """At least 5 test rows (a fifth of a tiny set) and one for validation: those with the next positions."""
        total = sum(self.counts.values())
        least = min(max(2, min(5, total // 5)), total - 1)
        missing = least - self.counts["test"]
        if missing > 0:
            self._move(self._lowest[:missing][-1:], "test")
        if not self.counts["valid"] and self.settings.valid > 0 and self._lowest:
            self._move(self._lowest[:1], "valid")

    def _take_test(self) -> None:
        """Of a source with training and validation rows and no test rows.

        The share of data.split.test, out of training.
        """
        import numpy

        positions = numpy.sort(numpy.fromfile(self.folder / "train.positions"))
        count = int(numpy.searchsorted(positions, self.settings.test))
        least = min(max(2, min(5, len(positions) // 5)), len(positions) - 1)
        count = min(max(count, least), self.settings.max_test)
        if count < 1:
            return
        self._move([float(positions[count - 1])], "test", ("train",))
        self.test_from_train = self.counts["test"]
        if not self.counts["valid"] and self.settings.valid > 0 and count < len(positions):
            border = max(self.settings.test + self.settings.valid, float(positions[count]))
            self._move([border], "valid")

    def _move(self, borders: list[float], target: str, origins: tuple[str, ...] = ()) -> None:
        """Rows of ``origins`` (for test: train and valid, else train) up to a position go to ``target``."""
        import numpy

        for border in borders:
            for split in origins or (("train", "valid") if target == "test" else ("train",)):
                positions = numpy.fromfile(self.folder / f"{split}.positions")
                moved: list[tuple[bytes, str]] = []
                kept = self.folder / "kept.jsonl", self.folder / "kept.places"
                with kept[0].open("wb") as lines, kept[1].open("w", encoding="utf-8", newline="\n") as places:
                    for (line, place), position in zip(self._read_lines(split), positions, strict=True):
                        if position <= border:
                            moved.append((line, place))
                        else:
                            lines.write(line)
                            places.write(place + "\n")
                kept[0].replace(self.folder / f"{split}.jsonl")
                kept[1].replace(self.folder / f"{split}.places")
                positions[positions > border].tofile(self.folder / f"{split}.positions")
                self.counts[split] -= len(moved)
                self.counts[target] += len(moved)
                for (line, place), position in zip(moved, positions[positions <= border].tolist(), strict=True):
                    if target == "test":
                        self._order += 1
                        self._tests.append(_Test(position, self._order, line, place))
                    else:
                        self._append(target, line, place, position)
            self._lowest = [position for position in self._lowest if position > border]

    def _read_lines(self, split: str) -> Iterator[tuple[bytes, str]]:
        with (
            (self.folder / f"{split}.jsonl").open("rb") as lines,
            (self.folder / f"{split}.places").open(encoding="utf-8", newline="\n") as places,
        ):
            for line, place in zip(lines, places, strict=True):
                yield line, place.rstrip("\n")

    def _append(self, split: str, line: bytes, place: str, position: float) -> None:
        with (
            (self.folder / f"{split}.jsonl").open("ab") as lines,
            (self.folder / f"{split}.places").open("a", encoding="utf-8", newline="\n") as places,
        ):
            lines.write(line)
            places.write(place + "\n")
        with (self.folder / f"{split}.positions").open("ab") as positions:
            positions.write(struct.pack("=d", position))

    def append(self, split: str, line: bytes, place: str) -> None:
        """One more row, after ``finish``."""
        self._append(split, line, place, 1.0)
        self.counts[split] += 1

    def drop(self, split: str, numbers: list[int]) -> None:
        """Remove rows of one split after ``finish``; ``numbers`` count from 0, in the order of the file."""
        if not numbers:
            return
        dropped = set(numbers)
        kept = self.folder / "kept.jsonl", self.folder / "kept.places"
        with kept[0].open("wb") as lines, kept[1].open("w", encoding="utf-8", newline="\n") as places:
            for number, (line, place) in enumerate(self._read_lines(split)):
                if number not in dropped:
                    lines.write(line)
                    places.write(place + "\n")
        kept[0].replace(self.folder / f"{split}.jsonl")
        kept[1].replace(self.folder / f"{split}.places")
        self.counts[split] -= len(dropped)

    def find_repeated(self) -> Iterator[tuple[str, str]]:
        """The first exact duplicates, each with what it repeats: one more pass over the rows, when there are any."""
        wanted = {identity.encode(): "" for _, identity in self._repeated}
        missing = len(wanted)
        if wanted:
            for split in SPLITS:
                for line, place in self._read_lines(split):
                    if line[7:23] in wanted:  # {"id":"<16 digits>"
                        wanted[line[7:23]] = place
                        missing -= 1
                    if not missing:
                        break
        for place, identity in self._repeated:
            yield place, f"is exactly the same as {wanted[identity.encode()] or 'an earlier row'}"

    def __iter__(self) -> Iterator[Sample]:
        """Every row of every split, as often as wanted, read from the disk."""
        for split in SPLITS:
            yield from self.read(split)

    def read(self, split: str) -> Iterator[Sample]:
        """The rows of one split with the places they came from."""
        import orjson

        for line, place in self._read_lines(split):
            yield Sample(place, orjson.loads(line), split)

"""Which split every row of a spool goes to, decided when all rows are known; in blocks, so that memory stays flat."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gaslamp.data.row_index import FIELDS, Repeats, read_blocks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gaslamp.data.row_index import Records

    Integers: TypeAlias = NDArray[np.int64]

TRAIN, VALID, TEST, LEFT_OUT = 0, 1, 2, 3
LOWEST = 64  # so many of the lowest positions are kept, to fill a tiny split


@dataclass(frozen=True)
class Move:
    """Rows of some splits up to a position go to another."""

    border: float
    origins: tuple[int, ...]
    target: int


@dataclass
class Allotment:
    """The splits of the rows in ``index``.

    A row that says its split goes there; the others by their position. Then a small set gets test and validation rows
    too, and of the test rows those with the lowest positions are kept, ``settings.max_test`` at most.

    Attributes:
        index: file of row_index.FIELDS.
        repeats: rows that go nowhere.
        settings: data.split.
        by_column: whether rows say their split.
        counts: rows of train, valid and test; of test before ``max_test``.
        test_from_train: training rows that became test rows, because the source has splits and none for the test.
        tests: numbers of the test rows, in the order in which they are written.
    """

    index: Path
    repeats: Repeats
    settings: Any  # data.split
    by_column: bool
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    test_from_train: int = 0
    moves: list[Move] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = self._count()
        if not self.by_column:
            self._fill()
        elif not self.counts[TEST] and self.counts[TRAIN]:
            self._take_test()
        self.tests = self._choose_tests()

    def get_codes(self, start: int, records: Records) -> NDArray[np.uint8]:
        """The split of each row of a block after all moves; LEFT_OUT for repeats."""
        codes = records["code"].copy()
        codes[self.repeats.get_mask(start, len(records))] = LEFT_OUT
        for move in self.moves:
            for origin in move.origins:
                codes[(codes == origin) & (records["position"] <= move.border)] = move.target
        return codes

    def _move(self, border: float, target: int, *origins: int) -> None:
        self.moves.append(Move(border, origins, target))
        self.counts = self._count()

    def _count(self) -> list[int]:
        import numpy

        counts = numpy.zeros(4, dtype=numpy.int64)
        for start, records in read_blocks(self.index, FIELDS):
            counts += numpy.bincount(self.get_codes(start, records), minlength=4)
        return [int(count) for count in counts[:LEFT_OUT]]

    def _get_lowest(self, origins: tuple[int, ...], count: int, distinct: bool) -> list[float]:
        """The ``count`` lowest positions of rows of ``origins``."""
        import numpy

        lowest = numpy.empty(0)
        for start, records in read_blocks(self.index, FIELDS):
            found = records["position"][numpy.isin(self.get_codes(start, records), origins)]
            found = numpy.concatenate((lowest, found))
            lowest = (numpy.unique(found) if distinct else numpy.sort(found))[:count]
        return lowest.tolist()

    def _fill(self) -> None:
        """At least 5 test rows (a fifth of a tiny set) and one for validation: those with the next positions."""
        total = sum(self.counts)
        missing = min(max(2, min(5, total // 5)), total - 1) - self.counts[TEST]
        lacks_valid = not self.counts[VALID] and self.settings.valid > 0
        if missing > 0 and (lowest := self._get_lowest((TRAIN, VALID), missing, distinct=True)):
            self._move(lowest[-1], TEST, TRAIN, VALID)
            lacks_valid = not self.counts[VALID] and self.settings.valid > 0
        lowest = self._get_lowest((TRAIN,), 2, distinct=True) if lacks_valid else []
        if len(lowest) > 1:  # else validation would get all of training
            self._move(lowest[0], VALID, TRAIN)

    def _take_test(self) -> None:
        """Of a source with training and validation rows and no test rows: data.split.test of training."""
        import numpy

        rows = self.counts[TRAIN]
        lowest = self._get_lowest((TRAIN,), self.settings.max_test + 1, distinct=False)
        least = min(max(2, min(5, rows // 5)), rows - 1)
        count = min(max(int(numpy.searchsorted(lowest, self.settings.test)), least), self.settings.max_test)
        if count < 1:
            return
        self._move(lowest[count - 1], TEST, TRAIN)
        self.test_from_train = self.counts[TEST]
        if not self.counts[VALID] and self.settings.valid > 0 and count < rows:
            self._move(max(self.settings.test + self.settings.valid, lowest[count]), VALID, TRAIN)

    def _choose_tests(self) -> Integers:
        """The test rows with the lowest positions; of equal ones those that were test rows before, then the earlier."""
        import numpy

        chosen = numpy.empty(0, dtype=[("position", "f8"), ("origin", "u1"), ("row", "i8")])
        for start, records in read_blocks(self.index, FIELDS):
            found = numpy.flatnonzero(self.get_codes(start, records) == TEST)
            more = numpy.empty(len(found), dtype=chosen.dtype)
            more["position"] = records["position"][found]
            more["origin"] = (records["code"][found] + 1) % 3  # test, train, valid
            more["row"] = start + found
            chosen = numpy.concatenate((chosen, more))
            order = numpy.lexsort((chosen["row"], chosen["origin"], chosen["position"]))
            chosen = chosen[order[: self.settings.max_test]]
        rows = chosen["row"]
        return numpy.sort(rows) if self.by_column else rows

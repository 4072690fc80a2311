"""Some rows of all parts of a file, for checks that need no more: runs of neighbours, evenly spread over the rows."""

from __future__ import annotations

from collections.abc import Iterable

from gaslamp.core.files import JsonObject
from gaslamp.data.checking import Sample

RUN = 8  # neighbouring rows that are kept together: a column that slipped by one shows only there
TESTS = 512  # test rows, the first ones: their order is drawn
MOST = 1024  # rows; twice as many are held for a while


def spread_rows(samples: Iterable[Sample], shared: JsonObject) -> list[Sample]:
    """At most twice ``MOST`` training and validation rows, in the order of the file.

    Args:
        samples: all rows; iterated once.
        shared: Facts.shared, which keeps the result for the next check that needs it.
    """
    if "spread" not in shared:
        kept: list[tuple[int, Sample]] = []
        every, count = 1, 0  # of the runs, one in ``every`` is kept
        tests: list[Sample] = []
        for sample in samples:
            if sample.split == "test":
                if len(tests) < TESTS:
                    tests.append(sample)
                continue
            run, count = count // RUN, count + 1
            if run % every:
                continue
            kept.append((run, sample))
            if len(kept) >= 2 * MOST:
                every *= 2
                kept = [one for one in kept if one[0] % every == 0]
        shared["spread"], shared["spread_test"] = [sample for _, sample in kept], tests
    found: list[Sample] = shared["spread"]
    return found


def get_tests(samples: Iterable[Sample], shared: JsonObject) -> list[Sample]:
    """The first ``TESTS`` test rows, found in the same pass."""
    spread_rows(samples, shared)
    found: list[Sample] = shared["spread_test"]
    return found

"""Rows that say nearly what an earlier row says: a typo, another name, other blanks.

Many of them make a model memorize.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from gaslamp.data.checking import KEPT, Facts, Finding, Sample
from gaslamp.data.near import compare_samples, find_twins

TITLE = "near duplicates"
SEVERITY = "warn"
MAX_PERCENTAGE = 5.0  # templated tasks look alike: of the embedded sets 0 to 2 % do
STAGE = "set"
FIX = (
    "keep one of each pair when they teach the same; tasks made from templates may look alike: data.checks: "
    "{near_duplicates: {options: {similarity: 0.95}}}"
)
OPTIONS = {"similarity": 0.85}  # of the sets of five-byte pieces (Jaccard index), 0.5 to 1


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Training and validation rows with an earlier near twin; see gaslamp.data.near for how it is measured."""
    import numpy as np

    signatures, splits = compare_samples(samples, facts.shared)
    known = np.fromiter((split != "test" for split in splits), bool, len(splits))
    yield from get_findings(samples, find_twins(signatures, facts.options["similarity"], known, known), "is nearly")


def get_findings(samples: Iterable[Sample], twins: Any, verb: str) -> Iterator[Finding]:
    """One finding for each row of ``twins``; only those that are kept get their place looked up."""
    kept = list(
        zip(twins.rows[:KEPT].tolist(), twins.twins[:KEPT].tolist(), twins.similarity[:KEPT].tolist(), strict=True)
    )
    wanted = {position for row, twin, _ in kept for position in (row, twin)}
    places = {position: sample.place for position, sample in enumerate(samples) if position in wanted} if wanted else {}
    for row, twin, similarity in kept:
        yield Finding(places[row], f"{verb} {places[twin]} (about {100 * similarity:.0f} % the same)")
    for _ in range(len(twins.rows) - len(kept)):
        yield Finding("", "")

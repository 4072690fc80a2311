"""The same text with two labels, the same answer rated good and bad: one of the rows is wrong."""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.contradictions import describe, find_contradictions

TITLE = "the same question with different labels"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "set"
FIX = "decide on one of the two in the file, or give the model what sets the rows apart"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """One finding for each question with answers of a few classes, each rated answer, each pair, that contradict."""
    found = find_contradictions(samples, facts.kind, facts.shared)
    if found.are_classes:
        yield from describe(found, samples, facts.kind)

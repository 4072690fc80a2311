"""The same question with different free answers: usual for conversations, and worth a look at the first ones."""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.contradictions import describe, find_contradictions

TITLE = "questions with several answers"
SEVERITY = "warn"
MAX_PERCENTAGE = 25.0  # noted: different good answers are usual; of every fourth row a column may be missing
STAGE = "set"
FIX = "nothing, when all answers are right; when a column says what sets them apart, add it to the prompt: data.columns"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """One finding for each question with several answers in words."""
    found = find_contradictions(samples, facts.kind, facts.shared)
    if not found.are_classes:
        yield from describe(found, samples, facts.kind)

"""Rows of which no token carries loss under the real template: they cost time and teach nothing."""

from collections.abc import Iterator

from gaslamp.data.checking import Facts, Finding, Sample

TITLE = "rows with nothing to learn"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "encoded"
FIX = "give these rows an answer"
LEARNS = ("conversation", "preference", "rating", "text", "speech")  # rewards judge what a prompt row leads to


def check(samples: list[Sample], facts: Facts) -> Iterator[Finding]:
    """Training and validation rows without one trained token."""
    if facts.kind not in LEARNS:
        return
    for sample in samples:
        if sample.split != "test" and 1 not in sample.trained:
            yield Finding(sample.place, "no token of it would be learnt")

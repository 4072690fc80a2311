"""Test rows that ask what a training row asks too: their score would say how well the model remembers."""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import get_question

TITLE = "test rows that stand in training too"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "set"
FIX = "remove one of each pair, or the split column"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Only a split column can cause it: the split by hash puts equal questions on one side."""
    prompts = {get_question(sample.row): sample.place for sample in samples if sample.split == "test"}
    found: dict[bytes, str] = {}
    for sample in samples:
        if sample.split != "test":
            key = get_question(sample.row)
            if key in prompts and key not in found:
                found[key] = sample.place
    for key, place in found.items():
        yield Finding(prompts[key], f"test row stands in training too: it has the same prompt as {place}")

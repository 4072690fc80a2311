"""Answers without the token that ends a turn among what is learnt: a model that learns them never stops."""

from collections.abc import Iterator
from itertools import compress

from gaslamp.data.checking import Facts, Finding, Sample

TITLE = "answers that do not end"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "encoded"
FIX = "fix these rows; when it is every row, the chat template of the model is wrong"
ANSWERS = ("conversation", "preference", "rating")


def check(samples: list[Sample], facts: Facts) -> Iterator[Finding]:
    """Training and validation rows whose trained tokens hold none of the stop tokens."""
    if facts.kind not in ANSWERS:
        return
    stops = set(facts.stop_ids)
    for sample in samples:
        if sample.split != "test" and 1 in sample.trained and stops.isdisjoint(compress(sample.ids, sample.trained)):
            yield Finding(sample.place, "its answer holds no end token, the model would not learn to stop")

"""Rows that begin with two BOS tokens: the template adds one and the text holds another;
the model sees a start it never saw before.
"""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample

TITLE = "two BOS tokens at the start"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "encoded"
FIX = (
    "delete the BOS token that stands in the text of these rows; when it is every row, remove it from the chat template"
)


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows whose first two token ids are the BOS token."""
    if facts.bos_id is None:
        return
    twice = [facts.bos_id, facts.bos_id]
    for sample in samples:
        if list(sample.ids[:2]) == twice:
            yield Finding(sample.place, "it begins with two BOS tokens")

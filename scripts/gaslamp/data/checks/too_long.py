"""Rows longer than train.max_length: they are left out of training, never cut without a word."""

from collections.abc import Iterator

from gaslamp.core import registry
from gaslamp.data.checking import Facts, Finding, Sample

TITLE = "rows longer than train.max_length"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0  # data.max_truncated
STAGE = "encoded"
DROPS = True  # training leaves them out
FIX = "set train.max_length to the longest row in config.yaml (more memory and time), or shorten these rows"


def check(samples: list[Sample], facts: Facts) -> Iterator[Finding]:
    """Training and validation rows over the limit;
    none for a method that cuts long rows into pieces and learns all of them.
    """
    if getattr(registry.get("methods", facts.method), "CUTS_LONG_ROWS", False):
        return
    for sample in samples:
        length = len(sample.ids) + facts.room
        if sample.split != "test" and length > facts.max_length:
            own = f" and {facts.room} for the completion" if facts.room else ""
            more = f": {facts.limit}" if facts.limit else ""
            yield Finding(sample.place, f"{len(sample.ids)} tokens{own}, up to {facts.max_length} are allowed{more}")

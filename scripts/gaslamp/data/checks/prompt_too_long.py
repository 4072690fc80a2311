"""Rows whose question alone fills train.max_length: nothing of the answer would be left,
and an evaluation takes long on them.
"""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample

TITLE = "prompts longer than train.max_length"
SEVERITY = "warn"  # training and validation rows of that length are the business of too_long, which blocks
MAX_PERCENTAGE = 0.0
STAGE = "encoded"
FIX = "shorten the question, or raise train.max_length"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows of every split with as many tokens before the first trained one as a row may have."""
    for sample in samples:
        length = len(sample.ids)
        if length >= facts.max_length and facts.kind not in ("text", "pair"):
            prompt = sample.trained.index(1) if 1 in sample.trained else length
            if prompt >= facts.max_length:
                yield Finding(sample.place, f"its prompt has {prompt} tokens, train.max_length is {facts.max_length}")

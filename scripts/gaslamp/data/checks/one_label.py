"""Ratings that are all good or all bad: kto learns from the difference of the two."""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample

TITLE = "ratings of one kind only"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "set"
ALLOWABLE = False  # the training would refuse it
FIX = "add rows with the other label"
GOOD_FIX = "set method: sft, which learns good answers alone, or add bad answers"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """One finding when the rows that are trained on have one label."""
    if facts.kind != "rating":
        return
    good = count = 0
    for sample in samples:
        if sample.split == "train":
            good += bool(sample.row["label"])
            count += 1
    if count and good in (0, count):
        kind = "good" if good else "bad"
        text = f"all {count} are rated {kind}: {facts.method} learns from good and bad answers"
        yield Finding("training rows", text, GOOD_FIX if good else FIX)

"""Answers that are nearly all the same:
a model that always says the most frequent one would look good and have learnt nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import get_reference

TITLE = "unbalanced labels"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "set"
FIX = "add rows of the rare answers, or leave out some of the frequent ones"
OPTIONS = {"max_share": 0.9, "max_classes": 50}
SHORT = 60  # letters; longer answers are no classes
NO_CLASS = "-1"
ENOUGH = 50  # fewer rows say nothing about balance


def find_spellings(labels: Iterable[str]) -> list[list[str]]:
    """Labels that are the same but for case and spaces, each group sorted."""
    groups: dict[str, list[str]] = {}
    for label in sorted(labels):
        groups.setdefault(" ".join(label.split()).casefold(), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """One label above ``max_share`` of the rows, or a label that only test rows have: of ratings,
    and of answers that come from a few.
    """
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}  # test rows, the others
    for sample in samples:
        if facts.kind == "rating":
            label = "good" if sample.row["label"] else "bad"
        else:
            reference = get_reference(sample.row) if facts.kind in ("conversation", "prompt") else None
            if reference is None or len(reference) > SHORT:
                return
            label = reference
        counts[sample.split == "test"][label] += 1
        if len(counts[False]) > facts.options["max_classes"]:
            return
    known = counts[False]
    total = known.total()
    if total < ENOUGH or len(known) > total / 4:  # every answer its own: no classes
        return
    for same in find_spellings(known + counts[True]):
        yield Finding(
            "all rows",
            f"{', '.join(map(repr, same))} differ only in case or spaces, and each is learnt as an answer of its own",
            "write the same answer in the same way in every row",
        )
    if known[NO_CLASS] and set(known) - {NO_CLASS} and all(label.isdecimal() for label in set(known) - {NO_CLASS}):
        yield Finding(
            "training and validation rows",
            f"{known[NO_CLASS]} rows have the class -1, which means in sets of the hub that a row has none",
            "leave them out with data.sql: SELECT * FROM source WHERE label != -1 (the name of your column)",
        )
    label, most = known.most_common(1)[0]
    if most > facts.options["max_share"] * total:
        yield Finding("training and validation rows", f"{most} of {total} are '{label}' ({100 * most / total:.0f} %)")
    for label in sorted(set(counts[True]) - set(known)):
        if facts.kind == "rating" or len(counts[True]) <= len(known):
            yield Finding(
                "test rows",
                f"'{label}' ({counts[True][label]} rows) never occurs in training",
                "add rows of this answer to the training data",
            )

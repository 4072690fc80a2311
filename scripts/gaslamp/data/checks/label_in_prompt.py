"""Classes whose label can be read in the prompt: the model learns to copy it, and the score says nothing."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import get_prompt, get_reference, get_text
from gaslamp.data.spread import spread_rows

TITLE = "the label stands in the prompt"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "set"
FIX = "leave the column with the label out of the prompt (data.columns); nothing, when the task is to find it there"
OPTIONS = {"min_share": 0.9}
KINDS = ("conversation", "prompt")
ENOUGH, CLASSES, SHORT = 50, 20, 60  # rows, classes at most, letters of a label


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """One finding when nearly every prompt names the label of its row, and hardly any another one."""
    if facts.kind not in KINDS:
        return
    rows = [sample for sample in spread_rows(samples, facts.shared) if get_reference(sample.row)]
    labels = [" ".join((get_reference(sample.row) or "").casefold().split()) for sample in rows]
    counts = Counter(labels)
    if len(rows) < ENOUGH or not 2 <= len(counts) <= CLASSES or max(map(len, counts)) > SHORT:
        return
    patterns = {label: _get_pattern(label) for label in counts}
    own: Counter[str] = Counter()
    others = 0
    for sample, label in zip(rows, labels, strict=True):
        text = "\n".join(map(get_text, get_prompt(sample.row))).casefold()
        named = {one for one, pattern in patterns.items() if pattern.search(text)}
        own[label] += label in named
        others += bool(named - {label})
    least = facts.options["min_share"]
    every = all(own[label] >= least * count for label, count in counts.items())
    if every and others <= (1 - least) * len(rows):
        first = rows[0]
        yield Finding(
            "all rows",
            f"{own.total()} of {len(rows)} prompts name the label of their row, and {others} another one: "
            f"'{labels[0]}' in {first.place}",
        )


def _get_pattern(label: str) -> re.Pattern[str]:
    """A label as a word of its own; a short one or a number only behind a colon or an equals sign."""
    word = rf"(?<!\w){re.escape(label)}(?!\w)"
    return re.compile(word if len(label) > 2 and not label.isdecimal() else rf"[:=]\s*[\"']?{word}")

"""Answers that were cut somewhere on their way here: the model learns to stop in the middle."""

from collections.abc import Iterable, Iterator

from gaslamp.data.broken_off import find_broken_off, quote_end
from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import get_prompt, get_reference, get_text
from gaslamp.data.spread import spread_rows

TITLE = "answers that break off"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "set"
FIX = (
    "export the data again without a limit on the length of a cell or on the tokens of a reply, or delete these rows: "
    "the model learns to stop where they stop"
)
KINDS = ("conversation", "prompt", "preference")


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Each answer that ends in the middle, where one in twenty does: of up to 2,000 rows spread over the file."""
    if facts.kind not in KINDS:
        return
    rows = spread_rows(samples, facts.shared)
    answers = [get_reference(sample.row) or "" for sample in rows]
    prompts = (get_text(turn) for sample in rows for turn in get_prompt(sample.row))
    for n, how in find_broken_off(answers, prompts).items():
        yield Finding(rows[n].place, f"the answer ends {how}: {quote_end(answers[n])}")

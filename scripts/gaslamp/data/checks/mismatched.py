"""Answers that stand in other rows than their prompts: the model learns that prompts do not matter."""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.mismatched import find_mismatch
from gaslamp.data.rows import get_prompt, get_reference, get_text
from gaslamp.data.spread import spread_rows

TITLE = "answers that belong to other rows"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "set"
FIX = "make the file again from its source: sort, shuffle and join whole rows, never a column alone"
KINDS = ("conversation", "prompt", "preference")


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """One finding for the whole set: of up to 2,000 rows spread over the file."""
    if facts.kind not in KINDS:
        return
    rows = [sample for sample in spread_rows(samples, facts.shared) if get_reference(sample.row)]
    prompts = ["\n".join(map(get_text, get_prompt(sample.row))) for sample in rows]
    found = find_mismatch(prompts, [get_reference(sample.row) or "" for sample in rows])
    if found is None:
        return
    first, other = next(iter(found.partners.items()))
    moved = ""
    if found.shift:
        where = "below" if found.shift > 0 else "above"
        moved = f"; most stand {abs(found.shift)} {'row' if abs(found.shift) == 1 else 'rows'} {where} their prompt"
    yield Finding(
        "all rows",
        f"{len(found.partners)} of {found.looked_at} answers fit the prompt of another row and not their own{moved}: "
        f"that of {rows[first].place} fits {rows[other].place}",
    )

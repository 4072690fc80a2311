"""Test rows in another form than training rows: a model is evaluated on what it was not trained for."""

from collections.abc import Iterable, Iterator, Sequence

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import get_prompt, get_text
from gaslamp.data.spread import get_tests, spread_rows

TITLE = "test rows in another form than training rows"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "set"
FIX = "write training and test rows alike: the same system prompt in both, or in none (data.system sets one for all)"
KINDS = ("conversation", "prompt", "preference", "rating")
ENOUGH = 10  # rows of each
MOSTLY = 0.9


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """System prompts that only one of the two has, that are others there, and tools that only one of the two has."""
    if facts.kind not in KINDS:
        return
    train, test = spread_rows(samples, facts.shared), get_tests(samples, facts.shared)
    if min(len(train), len(test)) < ENOUGH:
        return
    systems = [_get_systems(some) for some in (train, test)]
    shares = [sum(map(bool, some)) / len(some) for some in systems]
    tools = [sum(bool(sample.row.get("tools")) for sample in some) / len(some) for some in (train, test)]
    for what, (here, there) in (("a system prompt", shares), ("tools", tools)):
        if max(here, there) >= MOSTLY and min(here, there) <= 1 - MOSTLY:
            text = f"{here:.0%} of the training rows have {what} and {there:.0%} of the test rows"
            yield Finding("test rows", text.replace("%", " %"))
    known, own = ({text for text in some if text} for some in systems)
    if min(shares) >= MOSTLY and len(known) <= ENOUGH and not known & own:
        shown = " ".join(sorted(own)[0].split())[:60]
        yield Finding("test rows", f"no training row has their system prompt: '{shown}'")


def _get_systems(rows: Sequence[Sample]) -> list[str]:
    """The system prompt of each row; empty where there is none."""
    return [
        next((get_text(turn).strip() for turn in get_prompt(sample.row) if turn["role"] == "system"), "")
        for sample in rows
    ]

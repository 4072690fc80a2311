"""Answers with ``<think>`` and without its end: cut off, or the whole answer counts as a thought."""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import get_text
from gaslamp.data.suspects import get_suspects
from gaslamp.data.texts import TURNS

TITLE = "thoughts without an end"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "row"
DROPS = True
FIX = "put </think> behind the thought; an answer that was cut off within it is to be deleted"
TAGS = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"))
SIGNS = tuple(opened.encode() for opened, _ in TAGS)


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Assistant turns that open a thought more often than they close one."""
    for sample in get_suspects(samples, facts, SIGNS):
        turns = [turn for key in TURNS for turn in sample.row.get(key) or () if isinstance(turn, dict)]
        texts = [get_text(turn) for turn in turns if turn["role"] == "assistant"]
        for opened, closed in TAGS:
            if any(text.lstrip().startswith(opened) and closed not in text for text in texts):
                yield Finding(sample.place, f"an answer begins with {opened} and has no {closed}")
                break

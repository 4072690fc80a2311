"""Answers with ``</think>`` and no beginning: right only where the chat template itself opens the thought."""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample

TITLE = "thoughts without a beginning"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "encoded"
FIX = "put <think> in front of the thought, or take the thought out"
ANSWERS = ("conversation", "preference", "rating")
OPEN, CLOSE = "<think>", "</think>"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Learnt text that closes a thought which neither it nor the prompt in front of it opened."""
    if facts.kind not in ANSWERS:
        return
    for sample in samples:
        for pieces in sample.pieces or ():
            if any(_closes(text, before) for before, text in _get_learnt(pieces)):
                yield Finding(sample.place, f"an answer has {CLOSE} and no {OPEN} in front of it")
                break


def _get_learnt(pieces: list[tuple[str, bool]]) -> Iterator[tuple[str, str]]:
    """Each learnt piece of a sequence with the text in front of it."""
    before = ""
    for text, learnt in pieces:
        if learnt and CLOSE in text:
            yield before, text
        before += text


def _closes(text: str, before: str) -> bool:
    return OPEN not in text.partition(CLOSE)[0] and before.rfind(OPEN) <= before.rfind(CLOSE)

"""What does not belong into an answer: borders of turns, thoughts, the question once more."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gaslamp.data.checks.special_tokens import get_pattern
from gaslamp.evaluate.metrics.normalized_match import normalize

TOKEN = re.compile(rf"{get_pattern(()).pattern}|<\|[^|<>\s]{{1,40}}\|>|<(?:pad|unk)>|\[(?:PAD|UNK|EOS|BOS)\]")
TURN = re.compile(
    r"^[ \t]*(?:#{1,4} ?(?:instruction|input|response|system|user|assistant|human) ?:"
    r"|(?:\*\*)?(?:user|human|assistant|system|ai|bot)(?:\*\*)? ?:)",
    re.IGNORECASE | re.MULTILINE,
)
THOUGHT = re.compile(r"</?(?:think|thinking|thought|thoughts|reasoning|scratchpad)>", re.IGNORECASE)
HEAD = 24  # characters that may stand in front of a question that is repeated: "Question:"
LEAST = 12  # characters of a question; a shorter one may open an answer by chance
SHARED = 0.8  # of the question's words in the reference: the task repeats the question, as a correction does


def find_marks(
    pattern: re.Pattern[str], texts: Sequence[str], questions: Sequence[str], references: Sequence[str]
) -> dict[int, list[str]]:
    """Place -> the marks of the answer that stand in no reference and not in its own question.

    Args:
        pattern: TOKEN | TURN | THOUGHT.
        texts, questions: one for each row; a question is the whole prompt.
        references: all of them, with their thoughts, of training rows too: their marks are wanted.
    """
    wanted = {_tidy(mark) for text in references for mark in pattern.findall(text)}
    found = {}
    for n, text in enumerate(texts):
        if not (marks := pattern.findall(text)):
            continue
        known = wanted | {_tidy(mark) for mark in pattern.findall(questions[n])}
        if leaked := [mark.strip() for mark in marks if _tidy(mark) not in known]:
            found[n] = leaked
    return found


def find_echoes(texts: Sequence[str], questions: Sequence[str], references: Sequence[str | None]) -> list[int]:
    """Places of answers that begin with the question, where the reference does not repeat its words."""
    found = []
    for n, (text, question) in enumerate(zip(texts, questions, strict=True)):
        tidied = normalize(question)
        if len(tidied) < LEAST or normalize(text).find(tidied, 0, len(tidied) + HEAD) < 0:
            continue
        words, wanted = set(tidied.split()), set(normalize(references[n] or "").split())
        if len(words & wanted) < SHARED * len(words):
            found.append(n)
    return found


def _tidy(mark: str) -> str:
    return mark.strip().casefold()

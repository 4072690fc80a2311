"""How long answers are next to their references, in characters."""

from __future__ import annotations

from collections import Counter
from statistics import median

from gaslamp.evaluate.evaluated import Evaluated

KINDS = ("free", "summaries")
FEWEST = 10  # answers
LEAST = 20  # characters of a reference; shorter ones are a matter of wording


def get_lengths(answers: Evaluated) -> tuple[float, dict[int, float]]:
    """The median of length over reference, and place -> length over reference, of clean whole answers.

    Without any, and for answers that are no free text: 1 and empty.
    """
    if answers.kind not in KINDS or not answers.is_answered:
        return 1.0, {}
    times = {}
    for n in answers.clean:
        wanted = len((answers.references[n] or "").strip())
        if wanted >= LEAST:
            times[n] = len(answers.texts[n]) / wanted
    top = max(Counter(answers.texts[n] for n in times).values(), default=0)
    if len(times) < FEWEST or top > len(times) / 2:  # one answer for most rows says nothing about lengths
        return 1.0, {}
    return median(times.values()), times

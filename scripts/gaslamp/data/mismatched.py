"""Answers that belong to other rows: nothing ties them to their own prompt, and they fit the prompt of another one.

That is what a column leaves that was sorted, shuffled or moved without the others. It shows where answers repeat words
of their prompts (extraction, summaries, tools, most chats); where they do not, nothing can be said.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log, sqrt

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+")  # a CJK character is a word
CHARACTERS = 2000  # of a text
COMMON = 0.2  # share of the prompts; a word in more of them says nothing about a row
FITS = 0.7  # share of an answer's words, by weight, that a prompt holds
LEAST = 2  # words of an answer that say something
FEWEST = 20  # answers that fit another prompt
SHARE = 0.3  # of the answers that say something
SURE = 3.0  # standard errors above chance: more ties the answers to their own prompts
MOST = 200  # prompts that are compared for one word
LOOKED_AT = 512  # answers whose own prompt is looked for
DRAWS = 4  # other prompts that show what chance gives


@dataclass(frozen=True)
class Mismatch:
    """Attributes:
    partners: place of an answer -> place of the row whose prompt it fits.
    looked_at: answers that say something.
    own, chance: mean share of an answer's words in its own prompt, and in that of a row drawn at random.
    shift: rows between an answer and its prompt, where most are as far apart (1: it stands one row too low); else 0.
    """

    partners: dict[int, int]
    looked_at: int
    own: float
    chance: float
    shift: int


def find_mismatch(prompts: Sequence[str], answers: Sequence[str]) -> Mismatch | None:
    """What shows that answers and prompts do not belong together; ``None``: nothing does.

    Args:
        prompts, answers: texts of the same rows, in the order of the file.
    """
    if len(prompts) < FEWEST:
        return None
    found = _compare(prompts, answers)
    if found is None and (turned := _compare(answers, prompts)):  # long answers hold the words of short prompts
        partners = {answer: prompt for prompt, answer in turned.partners.items()}
        found = replace(turned, partners=dict(sorted(partners.items())), shift=-turned.shift)
    return found


def _compare(prompts: Sequence[str], answers: Sequence[str]) -> Mismatch | None:
    words = [set(_cut(text)) for text in prompts]
    counts = Counter(word for own in words for word in own)
    most = max(2.0, COMMON * len(prompts))
    weights = {word: log((1 + len(prompts)) / count) for word, count in counts.items() if count <= most}
    said = [{word for word in _cut(text) if word in weights} for text in answers]
    places: dict[str, list[int]] = defaultdict(list)
    for n, own in enumerate(words):
        for word in own & weights.keys():
            if len(places[word]) < MOST:
                places[word].append(n)
    draw = random.Random(0)  # noqa: S311 - a sample, no secret
    looked_at = [n for n, some in enumerate(said) if len(some) >= LEAST]
    looked_at = looked_at[:: -(-len(looked_at) // LOOKED_AT) or 1]
    if len(looked_at) < FEWEST:
        return None
    partners, leads = {}, []
    owns = others = 0.0
    for n in looked_at:
        whole = sum(weights[word] for word in said[n])
        tie = sum(weights[word] for word in said[n] & words[n]) / whole
        drawn = (draw.randrange(len(words)) for _ in range(DRAWS))
        other = sum(sum(weights[word] for word in said[n] & words[m]) / whole for m in drawn) / DRAWS
        owns, others = owns + tie, others + other
        leads.append(tie - other)
        if tie < FITS:
            partner = _find_partner(n, said[n], places, weights, FITS * whole)
            if partner is not None:
                partners[n] = partner
    count = len(looked_at)
    mean = sum(leads) / count
    error = sqrt(sum((lead - mean) ** 2 for lead in leads) / max(1, count - 1) / count)
    if mean > SURE * error or mean > 0.1:
        return None
    real = {
        n: m
        for n, m in partners.items()
        if partners.get(m) != n and prompts[n] not in prompts[m] and not _is_same(set(_cut(answers[n])), words[m])
    }
    if len(real) < max(FEWEST, SHARE * count):
        return None
    shift, times = Counter(n - m for n, m in real.items()).most_common(1)[0]
    return Mismatch(real, count, owns / count, others / count, shift if times >= len(real) / 2 else 0)


def _cut(text: str) -> list[str]:
    return WORD.findall(text[:CHARACTERS].casefold())


def _find_partner(
    place: int, said: set[str], places: dict[str, list[int]], weights: dict[str, float], least: float
) -> int | None:
    """The other row whose prompt holds most of an answer, by weight, when that is at least ``least``."""
    scores: Counter[int] = Counter()
    for word in sorted(said):
        for other in places[word]:
            scores[other] += weights[word]  # type: ignore[assignment]  # a counter of floats
    scores.pop(place, None)
    if not scores:
        return None
    best = max(scores.values())
    if best < least:
        return None
    return min((other for other, score in scores.items() if score >= best - 1e-9), key=lambda other: abs(other - place))


def _is_same(answer: set[str], prompt: set[str]) -> bool:
    """Whether an answer is the prompt of another row: texts that go on, or translations in both directions."""
    return len(answer & prompt) > 0.8 * len(answer | prompt)

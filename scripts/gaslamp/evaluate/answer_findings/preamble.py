"""Answers open with a phrase that the reference answers do not have: "Sure! Here is ..."."""

from __future__ import annotations

import re
from collections import Counter

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.core.finding import Remedy
from gaslamp.evaluate.evaluated import Evaluated, quote, show
from gaslamp.evaluate.metrics.normalized_match import normalize
from gaslamp.train.diagnose import Seen

TITLE = "answers open with a phrase that references do not have"
CAUSE = "the base model's way to answer is left: too few rows or steps, or such phrases in training answers"
SEVERITY = "likely"
LIMIT = "preamble_share"
KINDS = ("free", "summaries", "short")
FEWEST = 10  # rows
KNOWN = 0.1  # of the references may open like this
WORDS = 3  # of an opening that is no known phrase
PHRASE = re.compile(
    r"\W*(?:sure|certainly|of course|absolutely|okay|great question|here(?: is|'s|’s| are)|the answer is"
    r"|(?:answer|response|output) ?:|as an ai|natürlich|gerne|selbstverständlich|hier (?:ist|sind)|bien sûr"
    r"|certainement|voici|claro|por supuesto|aquí (?:está|tienes)|certamente|ecco|certo|natuurlijk|hier is"
    r"|当然|好的|もちろん|以下は)(?![a-z])",
    re.IGNORECASE,
)


def find(answers: Evaluated, limits: AnswerLimits) -> Seen | None:
    """More than ``preamble_share`` of the answers open with a known phrase, or all alike, and references do not."""
    places = answers.clean
    wanted = [text for text in answers.references if text]
    if answers.kind not in KINDS or not answers.is_answered or min(len(places), len(wanted)) < FEWEST:
        return None
    found = [n for n in places if PHRASE.match(answers.texts[n])]
    known, is_phrase = sum(bool(PHRASE.match(text)) for text in wanted), True
    if len(found) <= limits.preamble_share * len(answers.rows):
        opening, _ = Counter(_open(answers.texts[n]) for n in places).most_common(1)[0]
        found = [n for n in places if opening and _open(answers.texts[n]) == opening]
        known, is_phrase = sum(_open(text) == opening for text in wanted), False
    share = answers.get_share(found)
    if share <= limits.preamble_share or known > KNOWN * len(wanted):
        return None
    if len({normalize(answers.texts[n]) for n in found}) < len(found) / 2:
        return None  # the same answer again and again: one_answer
    seen = f"{len(found)} of {len(answers.rows)} answers ({show(share)}), such as {quote(answers.texts[found[0]])}; "
    seen += f"{known} of {len(wanted)} references open like this"
    remedies = [
        Remedy(action="remove such phrases from training answers; an answer begins with its content"),
        Remedy(action="add rows: the base model's own way to answer is still there"),
        Remedy(action="train longer", moves={"train.epochs": "raise"}),
        Remedy(action="say in the system turn of all rows, and when you serve it: answer without an introduction"),
    ]
    return Seen(seen, {"share": share}, remedies, severity=None if is_phrase else "hint", rows=answers.get_ids(found))


def _open(text: str) -> str:
    words = normalize(text[:200]).split()
    return " ".join(words[:WORDS]) if len(words) > WORDS else ""

"""Answers that end in the middle: of a word, a sentence, a bracket, a piece of JSON, or at one length that many share.

The rows themselves say what is usual. A half word is the beginning of a longer word of these answers and is no word of
theirs; an answer without a full stop alone is nothing, since many people write none.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

LETTERS, WORDS = 10, 3  # a shorter answer is a label, a name, a number
LONG = 80  # characters from which one length that many answers share and none exceeds is a limit
FEWEST = 5  # answers
SHARE = 0.05  # of the answers that are long enough
NEIGHBOURS = 20  # words that follow in the alphabet and may be longer forms
AT_LIMIT = 0.1  # share of the long answers that end at the same length
WORD = re.compile(r"[^\W\d_]+")
LAST = re.compile(r"([^\W\d_]+)$")
OPENING = "([{\u201c\u201e\u300c\u300e\uff08\u3010"
CLOSING = ")]}\u201d\u201d\u300d\u300f\uff09\u3011"
GOES_ON = re.compile(
    r"(?:the|of|and|or|to|with|for|from|by|at|as|because|that|which|was|were|than|into|its|"
    r"their|our|your|my|if|der|die|das|und|oder|dem|des|eine|einen|einem|einer|im|am|"
    r"zum|zur|weil|dass|le|la|les|et|ou|avec|pour|dans|une|par|que|qui|sont|el|los|las|"
    r"del|con|para|por|y|il|gli|di|che|per|um|uma|com|het|een|en|dat)"
)
"""Words that no sentence of their languages ends with, or hardly one."""


def find_broken_off(answers: Sequence[str], prompts: Iterable[str] = ()) -> dict[int, str]:
    """Place of each answer that breaks off -> how; empty where too few do to be more than a way of writing.

    Args:
        answers: reference answers of a set of rows, in any order.
        prompts: whose words are whole ones too.
    """
    texts = {n: text for n, raw in enumerate(answers) if _is_long(text := raw.strip())}
    if not texts:
        return {}
    open_ended = {n for n, text in texts.items() if _is_open(text)}
    inner: set[str] = set()
    for text in prompts:
        inner.update(WORD.findall(text.casefold()))
    for n, text in texts.items():
        words = WORD.findall(text.casefold())
        inner.update(words[:-1] if n in open_ended else words)
    known = sorted(inner)
    limit = _find_limit(texts, open_ended)
    found = {}
    for n, text in texts.items():
        how = _find_open_json(text) or _find_open_bracket(text, n in open_ended)
        if not how and n in open_ended:
            how = _find_half_word(text, inner, known)
            if not how and limit and len(text) >= limit:
                how = f"at {len(text)} characters, as many others do"
        if how:
            found[n] = how
    if len(found) < max(FEWEST, SHARE * len(texts)):
        return {}
    others = texts.keys() - found.keys()
    bare = others & open_ended
    if len(bare) < len(others) / 2:  # to end without a full stop is not the way of these rows
        found |= dict.fromkeys(bare, f"without a full stop, which {len(others) - len(bare)} others have")
    return dict(sorted(found.items()))


def _is_long(text: str) -> bool:
    return text[:1] in "{[" and len(text) > 1 or (len(text) >= LETTERS and text.count(" ") + 1 >= WORDS)


def _is_open(text: str) -> bool:
    """Whether the last character is one that a text goes on after."""
    return text[-1].isalpha() or text[-1] in ",-\u2013\u3001\uff0c" or text[-1] in OPENING


def _find_open_json(text: str) -> str:
    if text[0] not in "{[" or text[1:].lstrip()[:1] not in ('"', "{", "[", "]", "}", "'") or text[-1] in "}]":
        return ""
    try:
        json.loads(text)
    except ValueError as error:
        ended = not isinstance(error, json.JSONDecodeError) or error.pos < len(text) - 1
        unclosed = text.count(text[0]) > text.count("}" if text[0] == "{" else "]")
        return "in the middle of JSON" if unclosed or not ended else ""
    return ""


def _find_open_bracket(text: str, is_open: bool) -> str:
    if text.count("```") % 2 and text.rfind("\n") > text.rfind("```"):
        return "in a block of code"
    if is_open and any(text.rfind(a) > text.rfind(b) for a, b in zip(OPENING, CLOSING, strict=True) if a in text):
        return "in brackets"
    return ""


def _find_half_word(text: str, inner: set[str], known: list[str]) -> str:
    """Where an answer without an end sign ends in what is no end."""
    last = LAST.search(text)
    if last is None:
        return "in the middle of a sentence"
    word = last.group(1).casefold()
    if GOES_ON.fullmatch(word):
        return "in the middle of a sentence"
    if len(word) < 2 or word in inner:
        return ""
    at = bisect_left(known, word)
    # one letter more is an inflected form of the same word: tea, teas
    is_half = any(one.startswith(word) and len(one) > len(word) + 1 for one in known[at : at + NEIGHBOURS])
    return "in the middle of a word" if is_half else ""


def _find_limit(texts: dict[int, str], open_ended: set[int]) -> int:
    """The length that no answer exceeds and many open ones reach, in characters; 0 where there is none."""
    longest = max(map(len, texts.values()))
    if longest < LONG:
        return 0
    there = [n for n, text in texts.items() if len(text) >= longest - 1]  # a blank at the cut is stripped
    shorter = sum(len(text) < 0.8 * longest for text in texts.values())
    many = len(there) >= max(FEWEST, AT_LIMIT * len(texts)) and shorter >= FEWEST
    return longest - 1 if many and sum(n in open_ended for n in there) >= 0.5 * len(there) else 0


def quote_end(text: str, letters: int = 40) -> str:
    """The last words of an answer on one line: ``'… we are going for a lo'``."""
    line = " ".join(text.split())
    return f"'{line}'" if len(line) <= letters else f"'\u2026{line[1 - letters :]}'"

"""Questions and answers as text: ``Q: ...`` and ``A: ...``, or the words for them in other languages."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from gaslamp.data.meaning.names import get_hint, normalize
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, Reading, parse_rows
from gaslamp.data.readers.opening import open_text
from gaslamp.data.turns import PLAIN, get_role

_MARK = re.compile(
    r"\s*(?:\d{1,4}[.)]\s*)?[*_#\s]*(?P<word>[^\W\d_]{1,12})\s?"
    r"(?:\d{0,4}\s?[*_]*[:\uff1a]|\d{1,4}\s?[*_]*[.)])[*_]*[ \t]*(?P<text>.*)"
)
"""A line that begins a question or an answer: ``Q:``, ``3. Question:``, ``**A1:**``, ``Q1.``."""
_SHORT = {
    **dict.fromkeys(("q", "f", "p", "d", "v", "\u95ee", "\u554f", "\u8cea\u554f", "s"), "question"),
    **dict.fromkeys(("a", "r", "o", "\u7b54", "c"), "answer"),
}
_PAIRS = ({"q", "a"}, {"f", "a"}, {"p", "r"}, {"q", "r"}, {"d", "r"}, {"v", "a"}, {"p", "o"}, {"s", "c"})
_RULE = re.compile(r"\s*(?:-{3,}|={3,}|\*{3,}|_{3,}|~{3,}|#{3,})\s*")
"""A line that parts one pair or conversation from the next."""
LEAST = 3  # pairs that make a text one of questions and answers


def is_questions(text: str) -> bool:
    """Whether a text is questions and answers in turn, from its first line on."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not (first := _MARK.match(lines[0])):
        return False
    found = [mark["word"].casefold() for line in lines if (mark := _MARK.match(line)) and _get_role(mark["word"])]
    words = set(found)
    roles = [_get_role(word) for word in found]
    is_pair = len(words) == 2 and (words in _PAIRS or not any(word.isascii() and len(word) == 1 for word in words))
    in_turn = roles == [("question", "answer")[place % 2] for place in range(len(roles))]
    return is_pair and in_turn and len(found) >= 2 * LEAST and _get_role(first["word"]) == "question"


def read_questions(reading: Reading) -> Iterator[Chunk]:
    """A row for each question with its answer; further lines belong to what they stand below."""
    rows: list[Numbered] = []
    problems: list[Problem] = []
    part = ""
    starts: set[int] = set()  # places of the pairs behind a line that parts
    words: set[str] = set()
    with open_text(reading) as handle:
        for number, line in enumerate(handle, 1):
            if _RULE.fullmatch(line.rstrip("\r\n")):
                starts.add(len(rows))
                part = ""
                continue
            mark = _MARK.match(line.rstrip("\r\n"))
            role = _get_role(mark["word"]) if mark else None
            if mark and role:
                words.add(mark["word"])
            if mark and role == "question":
                rows.append((number, {"question": mark["text"], "answer": ""}))
                part = role
            elif mark and role == "answer" and part == "question":
                rows[-1][1]["answer"] = mark["text"]
                part = role
            elif part:
                rows[-1][1][part] += f"\n{line.rstrip()}"
            elif line.strip():
                problems.append((f"{reading.name}, line {number}", "the line belongs to no question", ""))
    kept: list[Numbered] = []
    for number, row in rows:
        pair = {name: text.strip() for name, text in row.items()}
        if all(pair.values()):
            kept.append((number, pair))
        else:
            lacks = "an answer" if pair["question"] else "a text"
            problems.append((f"{reading.name}, line {number}", f"the question lacks {lacks}", ""))
    reading.note("it is questions and answers: each pair is a row")
    if starts - {0, len(rows)} and all(get_role(word) in PLAIN for word in words):
        numbers = sorted(rows[place][0] for place in starts | {0} if place < len(rows))
        kept = _join_rounds(kept, numbers)
        reading.notes.remove(f"{reading.name}: it is questions and answers: each pair is a row")
        reading.note("it is conversations: a line of dashes or signs ends each")
    for start in range(0, len(kept), limits.BATCH):
        found = tuple(problems) if not start else ()
        yield Chunk(parse_rows, f"{reading.name}, line", 1, kept[start : start + limits.BATCH], reading.split, found)


def _join_rounds(pairs: list[Numbered], starts: list[int]) -> list[Numbered]:
    """Pairs as conversations.

    Args:
        pairs: each with its line.
        starts: the lines of the first pair of each conversation.
    """
    rows: list[Numbered] = []
    for number, pair in pairs:
        turns = [{"role": "user", "content": pair["question"]}, {"role": "assistant", "content": pair["answer"]}]
        if rows and bisect_right(starts, number) == bisect_right(starts, rows[-1][0]):
            rows[-1][1]["messages"] += turns
        else:
            rows.append((number, {"messages": turns}))
    return rows


def find_mark(text: str) -> tuple[str, str] | None:
    """``question`` or ``answer``, and the text behind the mark that a line begins with; ``None`` without one."""
    first, _, rest = text.partition("\n")
    mark = _MARK.match(first)
    role = _get_role(mark["word"]) if mark else None
    return (role, f"{mark['text']}\n{rest}".strip()) if mark and role else None


def _get_role(word: str) -> str | None:
    """``question`` or ``answer``, by the word in front of the colon."""
    short = word.casefold()
    if short in _SHORT:
        return _SHORT[short]
    hint = get_hint(word) if normalize(word) else None
    if hint and hint.exact and hint.concept in ("question", "answer"):
        return hint.concept
    return {"user": "question", "assistant": "answer"}.get(get_role(word))

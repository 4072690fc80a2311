"""Quizzes as text: GIFT of Moodle, and Aiken, which Moodle, Blackboard and others read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, Reading, parse_rows
from gaslamp.data.readers.opening import open_text

LEAST = 2  # questions that show a quiz
_GIFT = re.compile(r"(?P<stem>(?:[^{}\\]|\\.)*?)(?<!\\)\{(?P<body>(?:[^{}\\]|\\.)*)\}(?P<rest>[^\n]*)", re.DOTALL)
_ANSWER = re.compile(r"(?P<mark>[=~])\s*(?:%(?P<grade>-?[\d.]+)%)?(?P<text>(?:[^=~\\]|\\.)*)", re.DOTALL)
_CHOICE = re.compile(r"\s*(?P<letter>[A-Z])\s?[.)]\s+(?P<text>\S.*)")
_RIGHT = re.compile(r"\s*ANSWER\s?:\s*(?P<letter>[A-Z])\s*", re.IGNORECASE)
Row = dict[str, object]
Take = Callable[[str], Row | str | None]


def is_aiken(text: str) -> bool:
    """Whether a text is questions with lettered choices, each followed by ``ANSWER: B``."""
    blocks = _divide(text)
    return sum(_read_aiken(block) is not None for _, block in blocks) >= max(LEAST, 0.8 * len(blocks))


def is_gift(text: str) -> bool:
    """Whether a text is questions with their answers in braces: ``Who? {=Ida ~Per}``."""
    blocks = _divide(_drop_notes(text))
    found = [_GIFT.search(block) for _, block in blocks]
    read = [
        match for match in found if match and (_ANSWER.match(match["body"].lstrip()) or _TRUTH.fullmatch(match["body"]))
    ]
    return len(read) >= max(LEAST, 0.8 * len(blocks))


_TRUTH = re.compile(r"\s*(?P<said>T|F|TRUE|FALSE)\s*(?:#.*)?", re.DOTALL)


def read_aiken(reading: Reading) -> Iterator[Chunk]:
    """A row for each question: its choices, and the letter of the right one."""
    reading.note("it is a quiz (Aiken): each question has its choices and the letter of the right one")
    yield from _read(reading, lambda block: _read_aiken(block) or "no question with choices and a line ANSWER:")


def read_gift(reading: Reading) -> Iterator[Chunk]:
    """A row for each question with one right answer; other kinds are left out and counted."""
    with open_text(reading, "\n") as handle:
        made = [_read_gift(block) for _, block in _divide(_drop_notes(handle.read()))]
    chosen = any(isinstance(row, dict) and "incorrect_answers" in row for row in made)
    reading.note("it is a quiz (GIFT): each question has its right answer in braces")
    kept = [row for row in made if isinstance(row, dict) and ("incorrect_answers" in row) == chosen]
    if left := len([row for row in made if row is not None]) - len(kept):
        reading.note(f"left out: {left} questions of other kinds (several right answers, none, numbers, pairs)")

    def take(block: str) -> Row | str | None:
        row = _read_gift(block)
        return row if isinstance(row, dict) and ("incorrect_answers" in row) == chosen else None

    yield from _read(reading, take)


def _read(reading: Reading, take: Take) -> Iterator[Chunk]:
    with open_text(reading, "\n") as handle:
        blocks = _divide(_drop_notes(handle.read()))
    rows: list[Numbered] = []
    problems: list[Problem] = []
    for number, block in blocks:
        made = take(block)
        if isinstance(made, dict):
            rows.append((number, made))
        elif made:
            problems.append((f"{reading.name}, line {number}", made, ""))
    for start in range(0, len(rows), limits.BATCH) or (0,):
        found = tuple(problems) if not start else ()
        yield Chunk(parse_rows, f"{reading.name}, line", 1, rows[start : start + limits.BATCH], reading.split, found)


def _drop_notes(text: str) -> str:
    """The text with its comments and categories as empty lines."""
    return re.sub(r"(?m)^[ \t]*(?://|\$CATEGORY:).*$", "", text.replace("\r\n", "\n"))


def _divide(text: str) -> list[tuple[int, str]]:
    """The blocks between empty lines, each with the number of its first line."""
    blocks: list[tuple[int, str]] = []
    start = 0
    for match in (*re.finditer(r"\n[ \t]*(?:\n[ \t]*)+", text), None):
        part = text[start : match.start() if match else len(text)]
        if part.strip():
            first = start + len(part) - len(part.lstrip("\n"))
            blocks.append((text.count("\n", 0, first) + 1, part.strip("\n")))
        start = match.end() if match else start
    return blocks


def _read_aiken(block: str) -> Row | None:
    lines = [line for line in block.split("\n") if line.strip()]
    first = next((at for at, line in enumerate(lines) if _CHOICE.match(line)), 0)
    choices = [match for line in lines[first:-1] if (match := _CHOICE.fullmatch(line))]
    right = _RIGHT.fullmatch(lines[-1]) if lines else None
    letters = [match["letter"] for match in choices]
    whole = first and len(choices) == len(lines) - first - 1 > 1
    if not right or not whole or right["letter"].upper() not in letters:
        return None
    return {
        "question": "\n".join(lines[:first]).strip(),
        "choices": [match["text"].strip() for match in choices],
        "answer": right["letter"].upper(),
    }


def _read_gift(block: str) -> Row | str | None:
    """The question of a block; a text for one without a single right answer, ``None`` for no question."""
    match = _GIFT.search(block)
    if match is None:
        return None
    stem = re.sub(r"^\s*::.*?(?<!\\)::\s*", "", match["stem"], flags=re.DOTALL)
    stem = re.sub(r"^\s*\[(?:html|markdown|plain|moodle)\]", "", stem)
    rest = _unescape(match["rest"])
    question = f"{_unescape(stem)} ___ {rest}" if rest else _unescape(stem)
    if truth := _TRUTH.fullmatch(match["body"]):
        says = truth["said"].startswith("T")
        return {"question": question, "correct_answer": str(says), "incorrect_answers": [str(not says)]}
    answers = list(_ANSWER.finditer(match["body"]))
    if not answers or match["body"].lstrip().startswith("#") or any("->" in one["text"] for one in answers):
        return "another kind"
    right = [one for one in answers if one["mark"] == "=" or float(one["grade"] or 0) == 100]
    wrong = [one for one in answers if one not in right]
    if not wrong:
        return {"question": question, "answer": _say(right[0])}
    if len(right) != 1 or any(float(one["grade"] or 0) > 0 for one in wrong):
        return "another kind"
    return {
        "question": question,
        "correct_answer": _say(right[0]),
        "incorrect_answers": [_say(one) for one in wrong],
    }


def _say(answer: re.Match[str]) -> str:
    """The text of an answer without its feedback."""
    return _unescape(re.split(r"(?<!\\)#", answer["text"])[0])


def _unescape(text: str) -> str:
    return re.sub(r"\\([~=#{}:\\])", r"\1", text).strip()

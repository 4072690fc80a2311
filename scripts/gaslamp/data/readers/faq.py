"""Questions with their answers below them in a document: headings, terms, summaries, bold lines, ``Q:`` and ``A:``.

Nothing says for certain that they are meant to be learnt as pairs: each stands as it is in a column of its own, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from gaslamp.data.readers.line_shapes import WHOLE
from gaslamp.data.readers.question_text import find_mark

FEWEST = 3  # pairs
NEARLY = 0.8  # share of the headings that ask, and of the questions that are answered
COVERED = 0.6  # share of the letters of a document that stands in its pairs
TERM = 7
"""The level of a block that is a question by its tag: ``<dt>``, ``<summary>``."""
_BOLD = re.compile(r"(?:[-*]\s+|\d+[.)]\s+)?(?:\*\*|__)(?P<text>[^*_\n]+?)(?:\*\*|__)\s*:?\s*")
_ASKS = re.compile(r"[?\uff1f\u061f\u037e]\W*$")


class Part(NamedTuple):
    """A block of a document: its text, its level (0: no heading), its page or line, and what parts it from the last."""

    text: str
    level: int
    number: int
    joint: str = "\n\n"


def find_pairs(parts: Sequence[Part]) -> list[tuple[int, dict[str, str]]]:
    """A row for each question: its place, ``question``, ``answer``, and both as they stand; empty for other documents.

    Args:
        parts: the blocks of the document.
    """
    lines = [line for part in parts for line in _divide(part)]
    for read in (_read_marked, _read_terms, _read_headings, _read_bold):
        titles = read(lines)
        rows = _pair(lines, titles) if len(titles) >= FEWEST else []
        inside = sum(len(row["question"]) + len(row["answer"]) for _, row in rows)
        enough = len(rows) >= max(FEWEST, NEARLY * len(titles))
        if enough and inside >= COVERED * sum(len(line.text) for line in lines):
            return rows
    return []


def _divide(part: Part) -> list[Part]:
    """The block, cut where a line begins with a mark of a question or an answer, or is bold."""
    lines = part.text.split("\n")
    starts = [at for at, line in enumerate(lines) if not at or find_mark(line) or _BOLD.fullmatch(line)]
    ends = [*starts[1:], len(lines)]
    texts = ["\n".join(lines[start:end]) for start, end in zip(starts, ends, strict=True)]
    first = texts[0].split("\n")
    if len(texts) == 1 and len(first) > 1 and _BOLD.fullmatch(first[0]):
        texts = [first[0], "\n".join(first[1:])]
    joints = ["\n\n", *["\n"] * (len(texts) - 1)]
    pieces = zip(texts, joints, strict=True)
    return [Part(text, part.level, part.number, joint) for text, joint in pieces if text.strip()]


def _read_marked(lines: Sequence[Part]) -> dict[int, str]:
    """The questions that ``Q:`` begins; none where answers have no mark."""
    marks = {at: mark for at, line in enumerate(lines) if (mark := find_mark(line.text.lstrip("# ")))}
    titles = {at: text for at, (role, text) in marks.items() if role == "question"}
    answers = [at for at, (role, _) in marks.items() if role == "answer"]
    return titles if len(answers) >= NEARLY * len(titles) else {}


def _read_terms(lines: Sequence[Part]) -> dict[int, str]:
    return {at: _clean(line.text) for at, line in enumerate(lines) if line.level == TERM}


def _read_headings(lines: Sequence[Part]) -> dict[int, str]:
    """The headings of the level on which most of them ask."""
    for level in range(1, TERM):
        heads = {at: _clean(line.text) for at, line in enumerate(lines) if line.level == level}
        if len(heads) >= FEWEST and sum(map(_asks, heads.values())) >= NEARLY * len(heads):
            return heads
    return {}


def _read_bold(lines: Sequence[Part]) -> dict[int, str]:
    """The lines that are bold, or a question alone, where most of them ask."""
    bold = {
        at: match["text"].strip()
        for at, line in enumerate(lines)
        if not line.level and (match := _BOLD.fullmatch(line.text.strip()))
    }
    return bold if sum(map(_asks, bold.values())) >= NEARLY * len(bold) else {}


def _asks(text: str) -> bool:
    return _ASKS.search(text) is not None


def _clean(text: str) -> str:
    """A heading without its signs and its number."""
    text = re.sub(r"^\s*#+\s*|\s*#+\s*$", "", text)
    return re.sub(r"^\s*(?:\d{1,3}[.)]\s+|[-*]\s+)", "", text).strip().strip("*_").strip()


def _pair(lines: Sequence[Part], titles: dict[int, str]) -> list[tuple[int, dict[str, str]]]:
    """Each title with what stands below it; what stands above belongs to the text as it stands alone."""
    rows: list[tuple[int, dict[str, str]]] = []
    level = max(lines[at].level for at in titles)
    starts = [*titles, len(lines)]
    above = list(lines[: starts[0]])
    for start, end in zip(starts, starts[1:], strict=False):
        inner = lines[start + 1 : end]
        cut = next((at for at, line in enumerate(inner) if 0 < line.level < level), len(inner))
        answer = _join([line._replace(text=_drop_mark(line.text)) for line in inner[:cut]])
        whole = _join([*above, lines[start], *inner[:cut]])
        above = list(inner[cut:])
        if answer:
            rows.append((lines[start].number, {"question": titles[start], "answer": answer, WHOLE: whole}))
    return rows


def _join(lines: Sequence[Part]) -> str:
    return "".join(f"{line.joint}{line.text}" for line in lines).strip()


def find_table(parts: Sequence[Part]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a document that is a table and little else, each with its line; empty for other documents.

    Args:
        parts: the blocks of the document.
    """
    tables = [part for part in parts if all(line.lstrip().startswith("|") for line in part.text.split("\n"))]
    if len(tables) != 1 or len(tables[0].text) < NEARLY * sum(len(part.text) for part in parts):
        return []
    lines = [line for line in tables[0].text.split("\n") if not re.fullmatch(r"[\s|:-]*", line)]
    header, *cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]
    if len(cells) < FEWEST or len(set(header)) < len(header) or not all(header):
        return []
    return [
        (tables[0].number + at, {**dict(zip(header, row, strict=False)), WHOLE: line})
        for at, (row, line) in enumerate(
            zip(cells, lines[1:], strict=True), len(tables[0].text.split("\n")) - len(cells)
        )
        if len(row) == len(header)
    ]


def _drop_mark(text: str) -> str:
    mark = find_mark(text)
    return mark[1] if mark and mark[0] == "answer" else text

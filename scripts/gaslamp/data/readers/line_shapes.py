"""Text whose lines have parts: ``A => B``, a class in front or at the end, a question with its answer below it.

Nothing says for certain that the parts are meant: the whole line or block stays in a column of its own, and what is
learnt is a question.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.opening import open_text

WHOLE = "whole text"
"""The column of a line or block as it stands, next to those of its parts."""
LEAST = 6  # lines that show a shape
PAIRS = 3  # questions that do
NEARLY = 0.95  # share of the lines that must have it
SHARED = 6  # lines that share a class, in the mean
MOST = 30  # classes
_SIGN = re.compile(r"(?<=\s)[^\w\s\"'()\[\]{}&/.,?!\u2026\u00ab\u00bb]+(?=\s)")
"""A sign between blanks: ``=>``, ``|||``, ``+++$+++``, ``-``."""
_TIGHT = ("\t", "|||", "||", "::", "=>", "->", "\u2192", "###", ";", "|", "<sep>", "[SEP]", "<SEP>")
"""Signs that part a line without blanks, too."""
_FRONT = re.compile(
    r"\s*[\[(<\"']?(?P<label>[^\s\[\]()<>\"']{1,40}?)[\])>\"']?(?P<part>\s?:\s+|\s*[,;|\t]\s*|\s+)(?P<text>\S.*)"
)
_BACK = re.compile(
    r"(?P<text>.*\S)(?P<part>\s*[\t;|@,]\s*|\s+)[\[(<\"']?(?P<label>[^\s\[\]()<>\"';|@,]{1,40})[\])>\"']?\s*"
)
_TERM = re.compile(r"\s*(?P<term>[^:\uff1a]{1,60}?)\s?(?::\s|\uff1a)\s*(?P<text>\S.*)")
_NUMBER = re.compile(r"\s*(?:[-*\u2022]\s+|\(?\d{1,4}[.)]\s+)")
_ASKS = ("?", "\uff1f", "\u061f", "\u037e")
Parts = dict[str, str]


@dataclass(frozen=True)
class LineShape:
    """How a text is divided.

    Attributes:
        what: as a phrase, for the note.
        read: the columns of a line or block; ``None`` for one that has another shape.
        by_blocks: blank lines end a block; else each line is one.
        step: blocks or lines that make a row.
    """

    what: str
    read: Callable[[str], Parts | None]
    by_blocks: bool = False
    step: int = 1


def find_line_shape(text: str) -> LineShape | None:
    """The shape of a text by its first lines; ``None`` for running text."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(set(lines)) < min(LEAST, len(lines)):  # the same over and over
        return None
    return _find_questions(text, lines) or _find_parts(lines) or _find_classes(lines) or _find_terms(lines)


def _find_questions(text: str, lines: list[str]) -> LineShape | None:
    """Questions, each with an answer below it, or in the next line or paragraph."""
    blocks = [block.strip() for block in re.split(r"\n[ \t\r]*\n", text) if block.strip()]
    what = "it is questions, each with its answer below it"
    headed = [block for block in blocks if "\n" in block and _asks(block.split("\n")[0]) and not _asks(block)]
    if len(headed) >= PAIRS and len(headed) >= 0.8 * len(blocks):
        return LineShape(what, _read_headed, True)
    for parts, by_blocks in ((blocks, True), (lines, False)):
        questions, answers = parts[0 : len(parts) // 2 * 2 : 2], parts[1::2]
        size = len(answers)
        if size >= PAIRS and sum(map(_asks, questions)) >= 0.9 * size and sum(map(_asks, answers)) <= 0.1 * size:
            return LineShape(what, _read_headed, by_blocks, 2)
    return None


def _asks(text: str) -> bool:
    return text.rstrip().rstrip("*_\"'\u201d)").endswith(_ASKS)


def _read_headed(block: str) -> Parts | None:
    question, _, answer = block.partition("\n")
    if not answer.strip() or not _asks(question):
        return None
    return {"question": _NUMBER.sub("", question, count=1).strip(), "answer": answer.strip()}


def _find_parts(lines: list[str]) -> LineShape | None:
    """A sign that stands as often in every line: the parts between are columns."""
    if len(lines) < LEAST:
        return None
    signs = Counter(sign for line in lines for sign in set(_SIGN.findall(line)))
    spaced = [sign for sign, count in signs.most_common(5) if count >= NEARLY * len(lines)]
    patterns = [rf"\s+{re.escape(sign)}\s+" for sign in spaced] + [rf"\s*{re.escape(sign)}\s*" for sign in _TIGHT]
    for sign, pattern in zip([*spaced, *_TIGHT], patterns, strict=True):
        counts = Counter(len(re.findall(pattern, line)) for line in lines)
        size, often = counts.most_common(1)[0]
        if size and often >= NEARLY * len(lines) and all(len(part) for part in re.split(pattern, lines[0])):
            return LineShape(f"its lines have {size + 1} parts with '{sign}' between", _read_parts(pattern, size))
    return None


def _read_parts(pattern: str, size: int) -> Callable[[str], Parts | None]:
    def read(line: str) -> Parts | None:
        parts = re.split(pattern, line.strip())
        if len(parts) != size + 1:
            return None
        return {f"column {number}": part.strip() for number, part in enumerate(parts, 1)}

    return read


def _find_classes(lines: list[str]) -> LineShape | None:
    """Lines that begin or end with one of a few words: ``DESC:manner How did ...``, ``... and far too loud 0``."""
    for pattern, where in ((_FRONT, "begin"), (_BACK, "end")):
        found = [match for line in lines if (match := pattern.fullmatch(line))]
        labels = Counter(match["label"] for match in found)
        if len(found) < max(LEAST, NEARLY * len(lines)) or not 2 <= len(labels) <= MOST:
            continue
        coded = all(not label.isalpha() or label.isupper() for label in labels)  # 0, DESC:manner, SPAM
        marked = all(match["part"].strip() for match in found)
        shared = len(found) / len(labels)
        if shared < (SHARED / 2 if coded or marked else SHARED) or _are_prose(found, labels):
            continue
        if not (where == "begin" and _rotate([match["label"] for match in found])):
            return LineShape(f"its lines {where} with one of {len(labels)} words: the class", _read_class(pattern))
    return None


def _are_prose(found: list[re.Match[str]], labels: Counter[str]) -> bool:
    """Whether these are words of sentences: they end one, or stand within the lines too."""
    inner = Counter(word for match in found for word in set(match["text"].split()))
    within = sum(inner[label] for label in labels)
    return within > 0.3 * len(found) or any(label.endswith((".", "!", "?", "\u3002")) for label in labels)


def _rotate(labels: list[str]) -> bool:
    """Whether the same labels follow each other over and over: the fields of records, or two speakers in turn."""
    size = len(set(labels))
    return all(label == labels[place % size] for place, label in enumerate(labels))


def _read_class(pattern: re.Pattern[str]) -> Callable[[str], Parts | None]:
    def read(line: str) -> Parts | None:
        match = pattern.fullmatch(line.strip())
        return {"text": match["text"].strip(), "label": match["label"]} if match else None

    return read


def _find_terms(lines: list[str]) -> LineShape | None:
    """A term and what it means, with a colon between: a different term in nearly every line."""
    found = [match for line in lines if (match := _TERM.fullmatch(line))]
    if len(found) < max(LEAST, NEARLY * len(lines)) or len({match["term"] for match in found}) < 0.8 * len(found):
        return None

    def read(line: str) -> Parts | None:
        match = _TERM.fullmatch(line.strip())
        return {"column 1": match["term"], "column 2": match["text"].strip()} if match else None

    return LineShape("its lines have 2 parts with ':' between", read)


def read_line_shape(reading: Reading, shape: LineShape) -> Iterator[Chunk]:
    """A row for each line or block: its parts, and the whole of it in a column of its own.

    One of another shape has the whole alone.
    """
    reading.note(f"{shape.what}; '{WHOLE}' holds each as it stands")
    label = f"{reading.name}, line"
    rows: list[Numbered] = []
    size = number = 0
    for number, text in _join(_read_units(reading, shape.by_blocks), shape.step):
        rows.append((number, {**(shape.read(text) or {}), WHOLE: text}))
        size += len(text)
        if size > limits.CHUNK:
            yield Chunk(parse_rows, label, number, rows, reading.split)
            rows, size = [], 0
    yield Chunk(parse_rows, label, number, rows, reading.split)


def _read_units(reading: Reading, by_blocks: bool) -> Iterator[tuple[int, str]]:
    """The lines or blocks of a file, each with the number of its first line."""
    block: list[str] = []
    start = 0
    with open_text(reading) as handle:
        for number, line in enumerate(handle, 1):
            text = line.strip()
            if text and not by_blocks:
                yield number, text
            elif text:
                start = start if block else number
                block.append(text)
            elif block:
                yield start, "\n".join(block)
                block = []
    if block:
        yield start, "\n".join(block)


def _join(units: Iterator[tuple[int, str]], step: int) -> Iterator[tuple[int, str]]:
    """Each ``step`` units as one; a question that another question follows stays alone."""
    held: tuple[int, str] | None = None
    for number, text in units:
        if step == 1:
            yield number, text
        elif held and not _asks(text):
            yield held[0], f"{held[1]}\n{text}"
            held = None
        elif _asks(text):
            if held:
                yield held
            held = number, text
        else:
            yield number, text
    if held:
        yield held

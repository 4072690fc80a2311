"""Plain text for cpt: a row for each line or, where lines are wrapped, for each paragraph.

JSON and tables inside .txt as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.anki import is_anki, read_anki
from gaslamp.data.readers.chat_heads import is_headed_chat, read_headed_chat
from gaslamp.data.readers.chat_text import is_chat, read_chat
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.delimited import find_separator, get_separator_line, read_csv, sample_rows
from gaslamp.data.readers.json_files import get_json_kind, is_json, read_json
from gaslamp.data.readers.line_shapes import find_line_shape, read_line_shape
from gaslamp.data.readers.line_text import is_line_chat, read_line_chat
from gaslamp.data.readers.opening import open_text, read_text_head
from gaslamp.data.readers.question_text import is_questions, read_questions
from gaslamp.data.readers.quiz_text import is_aiken, is_gift, read_aiken, read_gift
from gaslamp.data.readers.word_columns import is_word_columns, read_word_columns
from gaslamp.data.rendered import split_rendered

LABEL = "__label__"
_LABELLED = re.compile(rf"(?:{LABEL}\S+\s+)+")
RENDERED = ("<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "[INST]", "<|user|>", "<|turn>")
"""How chat templates open a turn."""
WRAPPED = 120  # letters: text that is wrapped by hand or by a program has shorter lines


def read_txt(reading: Reading) -> Iterator[Chunk]:
    """The rows of a .txt file. Raises GaslampError when it is empty."""
    head, whole = read_text_head(reading)
    if not head.strip():
        raise GaslampError(f"{reading.title} is empty", "put rows into it, or set data.source to another file")
    first = head.strip().splitlines()[0]
    kind = get_json_kind(head)
    if kind and (is_json(first) or first.strip() in ("[", "{") or kind == "lines"):
        reading.note("it holds JSON and is read as such")
        yield from read_json(reading)
    elif is_anki(head):
        yield from read_anki(reading)
    elif is_chat(head):
        yield from read_chat(reading)
    elif is_headed_chat(head):
        yield from read_headed_chat(reading)
    elif is_line_chat(head):
        yield from read_line_chat(reading)
    elif is_aiken(head):
        yield from read_aiken(reading)
    elif is_gift(head):
        yield from read_gift(reading)
    elif is_questions(head):
        yield from read_questions(reading)
    elif is_talk_text(head):
        yield from _read_talks(reading)
    elif is_labelled(head):
        yield from _read_labelled(reading)
    elif mark := next((mark for mark in RENDERED if head.count(mark) > 2), None):
        raise GaslampError(
            f"{reading.title} holds conversations as a chat template writes them ({mark}), and does not say where each "
            "ends",
            'write each as a JSON line: {"messages": [{"role": "user", "content": ...}, ...]}, or {"text": ...}',
        )
    elif is_word_columns(head):
        yield from read_word_columns(reading)
    elif is_table(head, whole):
        reading.note("it holds a table and is read as such")
        yield from read_csv(reading)
    elif shape := find_line_shape(head):
        yield from read_line_shape(reading, shape)
    elif has_paragraphs(head):
        reading.note("its lines are wrapped: each paragraph is a document")
        yield from _read_blocks(reading)
    elif width := get_wrap_width(head):
        reading.note(f"its lines are wrapped at {width} letters: paragraphs end where a line ends early")
        yield from _read_blocks(reading, width)
    else:
        yield from _read_blocks(reading, 0)


def is_talk_text(text: str) -> bool:
    """Whether a text is conversations by the usual names of a user and an assistant: ``Customer: ... Agent: ...``."""
    first = _PARTED.split(text.strip(), maxsplit=1)[0]
    return "[INST]" not in first and "<|" not in first and len(split_rendered(first)) > 1


_PARTED = re.compile(r"\n\s*(?:-{3,}|={3,}|\*{3,}|_{3,}|#{3,})\s*\n|\n\s*\n\s*\n")
"""What parts conversations: a line of signs, or two blank lines."""


def _read_talks(reading: Reading) -> Iterator[Chunk]:
    """A row for each conversation of a text."""
    with open_text(reading, "\n") as handle:
        text = handle.read()
    rows: list[Numbered] = []
    at = 0
    for match in (*_PARTED.finditer(text), None):
        part = text[at : match.start() if match else len(text)]
        if part.strip():
            rows.append((text.count("\n", 0, at) + 1, {"text": part.strip()}))
        at = match.end() if match else at
    if len(rows) > 1:
        reading.note(f"it is {len(rows)} conversations: a line of signs, or two blank lines, ends each")
    for start in range(0, len(rows), limits.BATCH):
        yield Chunk(parse_rows, f"{reading.name}, line", 1, rows[start : start + limits.BATCH], reading.split)


def is_labelled(text: str) -> bool:
    """Whether lines begin with their class, as fastText has them."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) > 2 and sum(_LABELLED.match(line) is not None for line in lines) > 0.9 * len(lines)


def _read_labelled(reading: Reading) -> Iterator[Chunk]:
    """A row of text and label for each line of fastText; several labels are joined."""
    reading.note(f"its lines begin with their class ({LABEL}...), as fastText has them")
    rows: list[Numbered] = []
    with open_text(reading) as handle:
        for number, line in enumerate(handle, 1):
            if line.strip():
                found = _LABELLED.match(line)
                labels = found[0].split() if found else []
                text = line[found.end() :].strip() if found else line.strip()
                rows.append((number, {"text": text, "label": ", ".join(one.removeprefix(LABEL) for one in labels)}))
    for start in range(0, len(rows), limits.BATCH):
        yield Chunk(parse_rows, f"{reading.name}, line", 1, rows[start : start + limits.BATCH], reading.split)


def is_table(text: str, whole: bool) -> bool:
    """Whether a text is a table: every row has the same number of cells, and separators are not those of sentences."""
    if get_separator_line(text):
        return True
    separator = find_separator(text, whole)
    rows = [cells for cells in sample_rows(text, whole, separator) if any(str(cell).strip() for cell in cells)]
    if len(rows) < 3 or len(rows[0]) < 2 or len({len(cells) for cells in rows}) > 1:
        return False
    header = [str(cell) for cell in rows[0]]
    is_named = len(set(header)) == len(header) and all(
        cell == cell.strip() and 0 < len(cell) <= 40 and len(cell.split()) <= 4 and not cell.endswith((".", "?", "!"))
        for cell in header
    )
    return is_named or separator == "\t"


def has_paragraphs(text: str) -> bool:
    """Whether blank lines divide a text into blocks of wrapped lines: most are full and end within a sentence."""
    blocks = [block.strip("\r\n").splitlines() for block in re.split(r"\n[ \t\r]*\n", text) if block.strip()]
    several = [lines for lines in blocks if len(lines) > 1]
    width = max((len(line) for lines in several for line in lines), default=0)
    inner = [line.rstrip() for lines in several for line in lines[:-1]]
    if len(blocks) < 2 or len(several) < 0.3 * len(blocks) or width > WRAPPED:
        return False
    full = sum(len(line) >= 0.6 * width for line in inner)
    return full >= 0.7 * len(inner) and sum(map(_is_unfinished, inner)) >= 0.5 * len(inner)


def _is_unfinished(line: str) -> bool:
    """Whether a line ends within a sentence."""
    return not line.endswith((".", "!", "?", '"', ":", ";", "\u201d"))


def get_wrap_width(text: str) -> int:
    """Letters at which the lines of a text without blank lines are wrapped; 0 when each line is a text of its own."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    width = max(map(len, lines), default=0)
    if len(lines) < 10 or not 40 <= width <= WRAPPED:
        return 0
    full = [line for line in lines if len(line) >= 0.8 * width]
    unfinished = sum(map(_is_unfinished, full))
    return width if len(full) > 0.6 * len(lines) and unfinished > 0.6 * len(full) else 0


def _read_blocks(reading: Reading, width: int | None = None) -> Iterator[Chunk]:
    """Rows of text.

    Args:
        reading: the file.
        width: ``None``: blank lines end a row; 0: every line is one; else also a line much shorter than this.
    """
    label = f"{reading.name}, line"
    rows: list[Numbered] = []
    block: list[str] = []
    size = start = number = 0
    with open_text(reading, "\n") as handle:
        for number, line in enumerate(handle, 1):
            text = line.rstrip("\r\n")
            if not text.strip():
                if block:
                    rows.append((start, {"text": "\n".join(block)}))
                    block = []
                elif width == 0 and text:
                    rows.append((number, {"text": text}))
            else:
                start = start if block else number
                block.append(text)
                if width is not None and len(text.rstrip()) < 0.75 * width or width == 0:
                    rows.append((start, {"text": "\n".join(block)}))
                    block = []
            size += len(text)
            if size > limits.CHUNK and rows:
                yield Chunk(parse_rows, label, number, rows, reading.split)
                rows, size = [], 0
    if block:
        rows.append((start, {"text": "\n".join(block)}))
    yield Chunk(parse_rows, label, number, rows, reading.split)

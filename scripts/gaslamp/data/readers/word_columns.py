"""CoNLL's text: a word in each line, its tags behind it, and a blank line behind each sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, Reading, parse_rows
from gaslamp.data.readers.opening import open_text, read_text_head

ASIDE = ("-DOCSTART-", "# ")
"""How lines begin that are no words: of a document, of a comment."""
SENTENCES = 2
_OUTSIDE = re.compile(r"O|[BIESLUM][-_]\S+")


def is_word_columns(text: str) -> bool:
    """Whether a text is sentences of words with IOB tags in the last column."""
    blocks = [_read_lines(block) for block in re.split(r"\n[ \t\r]*\n", text)]
    filled = [lines for lines in blocks if lines]
    if len(filled) < SENTENCES:
        return False
    cells = [line for lines in filled for line in lines]
    width = Counter(map(len, cells)).most_common(1)[0][0]
    tags = [line[-1] for line in cells]
    return (
        width > 1
        and len(cells) >= 1.5 * len(filled)
        and "O" in tags
        and len(set(tags)) > 1
        and sum(_OUTSIDE.fullmatch(tag) is not None for tag in tags) >= 0.98 * len(tags)
    )


def _read_lines(block: str) -> list[list[str]]:
    """The cells of the lines of a sentence."""
    lines = [line.strip() for line in block.splitlines()]
    return [_split(line) for line in lines if line and not line.startswith(ASIDE)]


def _split(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else line.split()


def read_word_columns(reading: Reading) -> Iterator[Chunk]:
    """A row of ``tokens`` and ``tags`` for each sentence.

    Raises:
        GaslampError: it is a file of another kind.
    """
    head, _ = read_text_head(reading)
    if not is_word_columns(head):
        raise GaslampError(
            f"{reading.title}: no sentences with IOB tags in the last column (B-PER, I-PER, O) and a blank line behind "
            "each",
            'write each sentence as a JSON line: {"text": ..., "entities": [...]}, or whatever is to be learnt of it',
        )
    reading.note("it holds a word in each line with its tag in the last column, a blank line ends a sentence")
    rows: list[Numbered] = []
    problems: list[Problem] = []
    words: list[str] = []
    tags: list[str] = []
    start = 0
    with open_text(reading) as handle:
        for number, line in enumerate((*handle, ""), 1):
            text = line.strip()
            if text.startswith(ASIDE) or (not text and not words):
                continue
            if not text:
                rows.append((start, {"tokens": words, "tags": tags}))
                words, tags = [], []
                continue
            cells = _split(text)
            start = start if words else number
            if len(cells) < 2:
                problems.append((f"{reading.name}, line {number}", "the line has a word and no tag", ""))
                continue
            words.append(cells[0])
            tags.append(cells[-1])
    for at in range(0, len(rows), limits.BATCH):
        yield Chunk(
            parse_rows,
            f"{reading.name}, line",
            1,
            rows[at : at + limits.BATCH],
            reading.split,
            tuple(problems) if not at else (),
        )

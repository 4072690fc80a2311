"""Subtitles (.srt, .vtt) as running text: without numbers, times and tags; a pause ends a paragraph."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.chunks import Chunk, Reading
from gaslamp.data.readers.documents import Block, get_chunks
from gaslamp.data.readers.opening import open_text

TIMES = re.compile(r"((?:\d+:)?\d{1,2}:\d{2}[,.]\d{3}) *--> *((?:\d+:)?\d{1,2}:\d{2}[,.]\d{3}).*")
TAGS = re.compile(r"</?[^<>]+>|\{\\[^{}]*\}")
PAUSE = 3.0  # seconds


def read_subtitles(reading: Reading) -> Iterator[Chunk]:
    """The paragraphs of a subtitle file. Raises GaslampError when it holds none."""
    blocks: list[Block] = []
    end, line_number, lines = 0.0, 1, list[str]()
    begins = False
    with open_text(reading) as handle:
        for number, line in enumerate(handle, 1):
            text = line.strip()
            if found := TIMES.match(text):
                start = _read(found[1])
                if lines and lines[-1].isdigit():
                    lines.pop()  # the number of this cue
                if start - end > PAUSE and lines:
                    blocks.append(Block(" ".join(lines), 0, line_number))
                    lines = []
                line_number = number if not lines else line_number
                end, begins = _read(found[2]), True
            elif begins and text and not text.startswith(("NOTE", "STYLE")):
                said = TAGS.sub("", text).strip()
                if said and (not lines or lines[-1] != said):  # rolling captions say a line twice
                    lines.append(said)
    if lines and lines[-1].isdigit():
        lines.pop()
    if lines:
        blocks.append(Block(" ".join(lines), 0, line_number))
    if not blocks:
        raise GaslampError(f"{reading.title} holds no subtitles", "export it again as .srt or .vtt")
    reading.note("read as running text: numbers, times and tags of the subtitles are left out")
    yield from get_chunks(blocks, reading, "line")


def _read(time: str) -> float:
    seconds = 0.0
    for part in time.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds

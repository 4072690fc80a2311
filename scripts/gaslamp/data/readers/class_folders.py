"""Texts whose class is the name of their folder (``pos/1.txt``), or of their file (``spam.txt``, a text in each line).

Chapters are kept in folders too: the class is a question, as the parts of lines are (``line_shapes``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from statistics import median

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers.chunks import Chunk, Reading, parse_rows
from gaslamp.data.readers.line_shapes import LEAST, WHOLE, find_line_shape
from gaslamp.data.readers.opening import open_text, read_text_head
from gaslamp.data.readers.plain_text import get_wrap_width, has_paragraphs
from gaslamp.data.readers.splits import get_split

FEWEST = 3  # texts of a class
MOST = 60  # classes
LARGEST = 20_000  # bytes of a text in the median; longer ones are documents to read
NEARLY = 0.95  # share of the files that stand in a folder of a class
File = tuple[Path, str]


def find_classes(files: Sequence[File]) -> dict[str, str]:
    """The class of each file by its name in the source; empty where folders and files name none.

    Args:
        files: each with its path and its name in the source.
    """
    if len(files) < 2 or any(path.suffix.lower() != ".txt" for path, _ in files):
        return {}
    classes = {name: _get_folder(name) for _, name in files}
    found = [label for label in classes.values() if label]
    counts = [found.count(label) for label in set(found)]
    if 2 <= len(counts) <= MOST and min(counts) >= FEWEST and len(found) >= NEARLY * len(files):
        sizes = [path.stat().st_size for path, name in files if classes[name]]
        return {name: label for name, label in classes.items() if label} if median(sizes) <= LARGEST else {}
    return _find_named(files) if not found else {}


def _get_folder(name: str) -> str:
    """The folder of a file, unless it names a split; of an archive no folder is its own name."""
    folders = PurePosixPath(name).parts[:-1]
    inner = folders[-1] if folders else ""
    return "" if get_split(inner) or re.search(r"\.(zip|tar|tgz|gz|xz|bz2)$", inner, re.IGNORECASE) else inner


def _find_named(files: Sequence[File]) -> dict[str, str]:
    """Files of lines that are called by a class each: ``positive.txt``, ``negative.txt``."""
    classes = {name: PurePosixPath(name).stem for _, name in files}
    worded = all(re.fullmatch(r"[^\W\d]{2,20}", label) and not get_split(label) for label in classes.values())
    if not worded or len(set(classes.values())) < len(files) or len(files) > MOST:
        return {}
    return classes if all(_holds_lines(path, name) for path, name in files) else {}


def _holds_lines(path: Path, name: str) -> bool:
    """Whether each line of a file is a text of its own."""
    try:
        head, _ = read_text_head(Reading(path, name))
    except GaslampError:
        return False  # its reader says what is wrong with it
    lines = [line for line in head.splitlines() if line.strip()]
    wrapped = has_paragraphs(head) or get_wrap_width(head)
    return len(lines) >= LEAST and not wrapped and not re.match(r"\s*[\[{]", head) and find_line_shape(head) is None


def mix_classes(files: Sequence[File], classes: dict[str, str]) -> list[File]:
    """The files in turn, one of each class: the first rows are looked at, and must not be of one class alone.

    Args:
        files: in the order of their names.
        classes: from ``find_classes``.
    """
    count: Counter[str] = Counter()
    places = []
    for number, (_, name) in enumerate(files):
        count[classes[name]] += 1
        places.append((count[classes[name]], number))
    return [files[number] for _, number in sorted(places)]


def get_folder_split(name: str) -> str | None:
    """The split that a folder above the one of a class names: ``train/pos/1.txt``."""
    return next((split for part in PurePosixPath(name).parts[:-2] if (split := get_split(part))), None)


def read_class(reading: Reading, label: str) -> Iterator[Chunk]:
    """The text of a file, or each of its lines, with its class.

    Args:
        reading: the file.
        label: from ``find_classes``.
    """
    with open_text(reading) as handle:
        if _get_folder(reading.name) == label:
            texts = [(1, handle.read().strip())]
        else:
            texts = [(number, line.strip()) for number, line in enumerate(handle, 1)]
    rows = [(number, {"text": text, "label": label, WHOLE: text}) for number, text in texts if text]
    empty = () if rows else ((reading.name, "the file is empty", "delete it"),)
    yield Chunk(parse_rows, f"{reading.name}, line", 1, rows, reading.split, empty)

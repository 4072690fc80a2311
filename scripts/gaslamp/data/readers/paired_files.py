"""Texts in pairs of files: ``train.en.txt`` and ``train.de.txt`` line by line, ``1.question.txt`` and ``1.answer``.

Folders of the same files too: ``Articles/1.txt`` and ``Summaries/1.txt``. What differs in the names of a pair names the
columns; which language is translated is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning.names import LANGUAGES, get_hint, normalize
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Reading, parse_rows
from gaslamp.data.readers.line_shapes import WHOLE
from gaslamp.data.readers.opening import open_text
from gaslamp.data.readers.splits import get_file_split, get_split

File = tuple[Path, str]
Pair = dict[str, File]
FEWEST = 3  # pairs of files with a text each
SIDES = ("src", "tgt", "source", "target", "input", "output", "question", "answer", "q", "a")


def find_pairs(files: Sequence[File]) -> list[Pair]:
    """The pairs, each by the columns of its files; empty where files are not in pairs.

    Args:
        files: each with its path and its name in the source.
    """
    if len(files) < 2 or len(files) % 2 or any(path.suffix.lower() != ".txt" for path, _ in files):
        return []
    for divide in (_divide_name, _divide_folder):
        pairs: dict[str, Pair] = {}
        for file in files:
            key, side = divide(file[1])
            pairs.setdefault(key, {})[side] = file
        sides = {tuple(sorted(pair)) for pair in pairs.values()}
        names = sides.pop() if len(sides) == 1 else ()
        enough = divide is _divide_name or len(pairs) >= FEWEST
        if enough and len(names) == 2 and all(names) and _are_sides(names):
            return list(pairs.values())
    return []


def _divide_name(name: str) -> tuple[str, str]:
    """``train.en.txt`` as what it shares with the other file, and ``en``."""
    path = PurePosixPath(name)
    words = re.split(r"([._-])", path.stem)
    place = next((at for at in range(len(words) - 1, -1, -1) if _is_side(words[at])), None)
    if place is None:
        return name, ""
    return f"{path.parent}/{''.join(words[:place])}*{''.join(words[place + 1 :])}", words[place]


def _is_side(word: str) -> bool:
    text = normalize(word)
    hint = get_hint(word) if text else None
    return text in LANGUAGES or text in SIDES or (hint is not None and hint.exact and hint.concept in SAID)


SAID = ("question", "answer", "summary", "text", "translation", "context")
"""Concepts of names by which the files of a pair may differ."""


def _divide_folder(name: str) -> tuple[str, str]:
    """``Articles/sport/1.txt`` as ``sport/1.txt`` and ``Articles``."""
    folder, _, rest = name.partition("/")
    return (rest, "" if get_split(folder) else folder) if rest else (name, "")


def _are_sides(names: tuple[str, ...]) -> bool:
    """Whether two words can be the names of two columns, and not two classes of which files happen to be numbered."""
    if all(normalize(name) in LANGUAGES for name in names):
        return True
    hints = [get_hint(name) for name in names]
    return all(hint is not None and hint.concept in SAID for hint in hints) or set(map(normalize, names)) <= set(SIDES)


def read_pair(pair: Pair, is_only: bool, reading: Reading) -> Iterator[Chunk]:
    """A row for each line that both files have, or for both texts.

    Args:
        pair: from ``find_pairs``.
        is_only: one of few pairs: line by line.
        reading: of the first file.

    Raises:
        GaslampError: the files have not as many lines.
    """
    texts = {}
    for side, (path, name) in pair.items():
        with open_text(Reading(path, name, None, reading.options, reading.notes, reading.is_unpacked)) as handle:
            texts[side] = handle.read().strip("\n")
    label = f"{reading.name}, line"
    first, second = texts
    lines = [text.splitlines() for text in texts.values()]
    if not is_only:
        row = {side: text.strip() for side, text in texts.items()}
        yield Chunk(parse_rows, label, 1, [(1, row)], reading.split)
        return
    if len(lines[0]) != len(lines[1]):
        names = " and ".join(name for _, name in pair.values())
        raise GaslampError(
            f"{names} have {len(lines[0])} and {len(lines[1])} lines: line by line they are no pairs",
            "make line n of one file belong to line n of the other; or set data.source to one of them",
        )
    is_open = all(normalize(side) in LANGUAGES for side in texts)
    rows: list[Numbered] = [
        (number, {first: one, second: two, **({WHOLE: f"{one}\n{two}"} if is_open else {})})
        for number, (one, two) in enumerate(zip_longest(*lines, fillvalue=""), 1)
        if one.strip() or two.strip()
    ]
    for at in range(0, len(rows), limits.BATCH):
        yield Chunk(parse_rows, label, 1, rows[at : at + limits.BATCH], reading.split)


def get_pair_split(pair: Pair) -> str | None:
    """The split that the names of both files say."""
    splits = {get_file_split(path) for path, _ in pair.values()}
    return splits.pop() if len(splits) == 1 else None

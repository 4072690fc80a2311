"""Text that was read in the wrong encoding before it came here: ``GrÃ¶ÃŸe`` for ``Größe``.

UTF-8 that a program took for Windows-1252 (or DOS, or Mac) and saved again. Each letter became two or three.
"""

from __future__ import annotations

import re
from functools import cache

_ENCODINGS = {"cp1252": (0xC2, 0xC3), "cp437": (0xC2, 0xC3), "mac_roman": (0xC2, 0xC3)}
"""Encoding -> the first bytes of letters of Latin alphabets in UTF-8, which are looked for."""
_QUIET = frozenset("\u201c\u201d\u2018\u2019\u2026\u2013\u2014\u00a0\u00bb\u00ab")
"""What also stands behind a letter such as ``Ã`` in a text that is right: closing quotes, dashes."""


@cache
def _get_letters(encoding: str) -> dict[int, str]:
    """Byte -> what it looks like in an encoding; bytes that it does not have look like Latin-1."""
    return {byte: bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in range(0x80, 0x100)}


@cache
def _get_pattern(encoding: str) -> re.Pattern[str]:
    letters = _get_letters(encoding)

    def write(*codes: int) -> str:
        return "[" + "".join(re.escape(letters[code]) for code in codes) + "]"

    after = write(*range(0x80, 0xC0))
    two = write(*_ENCODINGS[encoding]) + after
    three = letters[0xE2] + write(0x80, 0x82, 0x84, 0x86, 0x88) + after  # quotes, dashes, the euro, arrows
    four = re.escape(letters[0xF0] + letters[0x9F]) + after * 2  # emoji
    runs = f"(?:{write(0xD0, 0xD1)}{after}){{3,}}|(?:{write(0xCE, 0xCF)}{after}){{3,}}"  # Cyrillic, Greek
    return re.compile(f"{three}|{four}|{runs}|{two}")


_SIGNS = tuple(
    _get_letters(encoding)[byte] for encoding in _ENCODINGS for byte in (*_ENCODINGS[encoding], 0xE2, 0xF0, 0xD0, 0xCE)
)
SIGNS = tuple(sorted({sign.encode() for sign in _SIGNS}))
"""A text without any of these is right."""


def find(text: str) -> tuple[str, int, int] | None:
    """The encoding that a text was taken for, and the first place that shows it; ``None``: nothing is wrong."""
    if text.isascii():
        return None
    for encoding in _ENCODINGS:
        pattern = _get_pattern(encoding)
        found = list(pattern.finditer(text))
        strong = [one for one in found if one[0][-1] not in _QUIET and _decode(one[0], encoding)]
        if strong and (encoding == "cp1252" or len(strong) > 1 or len(strong[0][0]) > 2):
            return encoding, strong[0].start(), strong[0].end()
    return None


def _decode(piece: str, encoding: str) -> str | None:
    """What a piece was before; ``None``: it was no UTF-8."""
    back = {letter: byte for byte, letter in _get_letters(encoding).items()}
    try:
        text = bytes(back[letter] for letter in piece).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return None
    return text if all(char.isprintable() or char == "\u00a0" for char in text) else None


def repair(text: str) -> str:
    """The text as it was before it was read in the wrong encoding, twice where that happened twice."""
    for _ in range(2):
        if (found := find(text)) is None:
            return text
        encoding = found[0]
        text = _get_pattern(encoding).sub(lambda one, name=encoding: _decode(one[0], name) or one[0], text)  # type: ignore[misc]
    return text

"""Which encoding a text has that is not UTF-8, decided by its bytes."""

from __future__ import annotations

import codecs
import re

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte-order marks; the longer ones first."""

WESTERN = ("cp1252", "cp1250", "mac_roman", "latin-1", "cp850")
"""One byte a letter, few of them beyond ASCII. Where several fit equally well, the first is taken."""


SIGNS = "\u20ac\u00a3\u00b0\u00a7\u00bf\u00a1\u2022\u00a9\u00ae\u2122\u00a0\u00b2\u00b3\u00bd\u00d7\u00b7"
"""Characters of Western text that are neither letters, quotes nor dashes."""

QUOTES = "\u00ab\u00bb\u201c\u201d\u201e\u2018\u2019\u201a\u2039\u203a"
CONTRACTED = re.compile(r"(?:s|t|d|m|re|ve|ll)\b", re.IGNORECASE)
TURKISH = frozenset("\u011f\u0131\u015f\u0130\u015e\u011e")
SHARED = frozenset("\u00e7\u00c7\u00f6\u00d6\u00fc\u00dc\u00e2\u00c2\u00ee\u00ce\u00fb\u00db")
"""Letters of Turkish; the first stand where cp1252 has Icelandic ones, which never come without an accent."""
CZECH = frozenset("\u00ec\u00e8\u00f9\u00f2\u00ef")
"""How cp1252 shows letters of Czech, next to \u00f8."""
NORDIC = frozenset("\u00e6\u00c6\u00e5\u00c5")
KANA = re.compile("[\u3041-\u30fa]")
LEAST_KANA = 0.3
"""Share of Japanese syllables among the characters beyond ASCII; no other text gives so many by chance."""
ELIDED = re.compile(r"\b(?:[cdjlmnst]|qu|dell|all|nell|sull|un)$", re.IGNORECASE)
"""Behind and before the apostrophe of a shortened word: don't, l'eau."""


def is_valid_utf8_mostly(data: bytes) -> bool:
    """Whether the bytes beyond ASCII are UTF-8 but for some wrong ones: damage, or lines of another encoding.

    Single letters beyond ASCII (Western text) look like UTF-8 by chance in one of hundreds; runs of them more often.
    """
    valid = sum(1 for sign in data.decode("utf-8", "ignore") if sign > "\x7f")
    wrong = data.decode("utf-8", "replace").count("\ufffd")
    single = len(re.findall(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])", data))
    return valid > 0 and (valid >= wrong or (2 * single > wrong and 10 * valid > wrong))


def detect_encoding(data: bytes) -> str | None:
    """The likely encoding of text that is not UTF-8; ``None`` when nothing fits.

    Western text has single letters beyond ASCII between ASCII ones; the candidate wins whose letters stand where
    letters stand. Other scripts have runs of bytes beyond ASCII: there a statistical detector decides.
    """
    first = re.search(rb"[\x80-\xff]", data)
    start = max(0, first.start() - 1000) if first else 0
    data = data[start : start + (1 << 18)]
    high = sum(map(len, re.findall(rb"[\x80-\xff]+", data)))
    runs = sum(map(len, re.findall(rb"[\x80-\xff]{3,}", data)))
    if _is_japanese(data):
        return "cp932"
    if high and runs > 0.5 * high:
        from charset_normalizer import from_bytes

        best = from_bytes(data, threshold=0.5).best()
        return best.encoding if best else None
    scores = {}
    for name in WESTERN:
        try:
            scores[name] = _score(data.decode(name))
        except UnicodeDecodeError:
            continue
    best_of_all = max(scores, key=lambda name: scores[name], default=None)  # the first of the best
    if best_of_all == "cp1252" and _is_czech(data):
        return "cp1250"
    return "cp1254" if best_of_all == "cp1252" and _is_turkish(data) else best_of_all


def _is_japanese(data: bytes) -> bool:
    """Whether the bytes are Japanese of Windows: the detector takes a short table for Korean or for a Mac's text."""
    text = data.decode("cp932", "ignore")
    wide = [sign for sign in text if sign > "\x7f"]
    kana = len(KANA.findall(text))
    return kana >= LEAST_KANA * len(wide) > 0 and _decodes(data, "cp932")


def _decodes(data: bytes, name: str) -> bool:
    """Whether all but a character that was cut at the end decodes."""
    decoder = codecs.getincrementaldecoder(name)()
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _is_turkish(data: bytes) -> bool:
    """Whether every letter beyond ASCII is one of Turkish, and some of its own are among them."""
    letters = {sign for sign in data.decode("cp1254", "ignore") if sign > "\x7f" and sign.isalpha()}
    return bool(letters & TURKISH) and letters <= TURKISH | SHARED


def _is_czech(data: bytes) -> bool:
    """Whether letters of Czech were read as Danish and Italian ones: no text has some of both."""
    letters = {sign for sign in data.decode("cp1252", "ignore") if sign > "\x7f" and sign.isalpha()}
    return "\u00f8" in letters and len(letters & CZECH) > 1 and not letters & NORDIC


def _score(text: str) -> float:
    """How well the characters beyond ASCII fit their neighbours."""
    total = 0.0
    for match in re.finditer(r"[^\x00-\x7f]", text):
        sign, at = match[0], match.start()
        before, behind = text[at - 1 : at], text[at + 1 : at + 2]
        if "\x80" <= sign <= "\x9f":  # control characters
            total -= 5
        elif sign in QUOTES:
            total += _score_quote(text, at)
        elif sign in "\u2013\u2014":
            total += _score_dash(text, at)
        elif sign.isalpha():
            total += -2 if (sign.isupper() and before.islower()) or before.isdigit() or behind.isdigit() else 1
        elif before.isalpha() and behind.isalpha() and sign not in "\u00b7\u00ad":
            total -= 2
        elif sign in SIGNS or (sign == "\u2026" and before.strip()):
            total += 1
        elif sign == "\u2026":
            total += 0.5
        else:
            total -= 0.5
    return total


def _score_quote(text: str, at: int) -> float:
    """A quote has a word on one side; inside a word it shortens one."""
    before, behind = text[max(0, at - 1) : at], text[at + 1 : at + 2]
    if before.isalpha() and behind.isalpha():
        if text[at] != "\u2019":
            return -2
        fits = CONTRACTED.match(text, at + 1) or ELIDED.search(text, max(0, at - 5), at)
        return 1 if fits else 0
    return 1 if before.strip() or behind.strip() else -0.5


def _score_dash(text: str, at: int) -> float:
    """A dash stands between words or numbers; next to one or two letters it is more likely a letter read wrong."""
    left, right = re.search(r"\w*$", text[max(0, at - 12) : at]), re.match(r"\w*", text[at + 1 : at + 13])
    assert left and right
    sizes = sorted((len(left[0]), len(right[0])))
    return 1 if sizes[0] == 0 or sizes[0] >= 3 or (left[0] + right[0]).isdigit() else 0

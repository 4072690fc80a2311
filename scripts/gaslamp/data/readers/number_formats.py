"""What a spreadsheet cell shows of a number, by its number format: 01067, 25%, 1234.50 €.

Only where the format says something that the number does not: leading zeros, per cent, a unit, places behind the
point. Thousands separators are left out. Dates are read by the reader of the workbook.
"""

from __future__ import annotations

import re
from functools import lru_cache

BUILT_IN = {1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%"}
"""The formats that a workbook does not write down, by their number (ECMA-376, 18.8.30)."""
_PIECE = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_(?P<gap>.)|\*(?P<fill>.)|\[\$(?P<sign>[^\]-]*)[^\]]*\]|\[(?P<note>[^\]]*)\]'
    r"|(?P<digit>[0#?])|(?P<mark>[.,%])|(?P<other>.)",
    re.DOTALL,
)
_PLAIN = frozenset("$€£¥-+()/: '")
"""What stands in a format for itself, without quotes."""


@lru_cache(256)
def read_format(code: str) -> tuple[tuple[str, str], ...] | None:
    """The pieces of a format for positive numbers, as (kind, text); ``None``: it shows the number as it is.

    Kinds: ``digit`` (0, # or ?), ``point``, ``percent`` and ``text``.
    """
    if code in ("General", "@", ""):
        return None
    section = _split_sections(code)[0]
    pieces: list[tuple[str, str]] = []
    for found in _PIECE.finditer(section):
        kind, text = found.lastgroup, found[found.lastgroup] if found.lastgroup else ""
        if kind == "note" and text[:1] in "<>=":
            return None  # a condition
        if kind == "other" and text not in _PLAIN:
            return None  # letters of dates, exponents
        if kind == "digit":
            pieces.append(("digit", text))
        elif kind == "mark":
            pieces.append(("point" if text == "." else "percent", text) if text != "," else ("comma", text))
        elif kind in ("quoted", "escaped", "sign", "other"):
            pieces.append(("text", text))
    digits = [at for at, (kind, _) in enumerate(pieces) if kind == "digit"]
    kinds = [kind for kind, _ in pieces]
    if not digits or kinds.count("point") > 1 or ("text", "/") in pieces[digits[0] : digits[-1]]:
        return None
    if any(kind == "comma" and at > digits[-1] for at, kind in enumerate(kinds)):
        return None  # 1,234,567 in thousands
    kept = tuple(piece for piece in pieces if piece[0] != "comma")
    zeros = sum(piece == ("digit", "0") for piece in _split_point(kept)[0])
    says = "point" in kinds or "percent" in kinds or zeros > 1 or any(kind == "text" and t.strip() for kind, t in kept)
    return kept if says else None


def _split_sections(code: str) -> list[str]:
    """The sections of a format: for positive and negative numbers, zero and text."""
    return re.findall(r'(?:"[^"]*"|\\.|\[[^\]]*\]|[^;])+', code) or [code]


def _split_point(
    pieces: tuple[tuple[str, str], ...],
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    at = next((at for at, (kind, _) in enumerate(pieces) if kind == "point"), len(pieces))
    return pieces[:at], pieces[at + 1 :]


def show_number(value: float, code: str) -> str | None:
    """A number as its cell shows it; ``None`` where that is the number itself.

    Args:
        value: the stored number.
        code: of the format: ``00000``, ``0.00%``, ``#,##0.00 "€"``.
    """
    pieces = read_format(code)
    if pieces is None:
        return None
    before, behind = _split_point(pieces)
    places = sum(kind == "digit" for kind, _ in behind)
    scale = 100.0 ** sum(kind == "percent" for kind, _ in pieces)
    whole, _, fraction = f"{abs(value) * scale:.{places}f}".partition(".")
    optional = 0
    for kind, text in reversed([piece for piece in behind if piece[0] == "digit"]):
        if kind == "digit" and text == "0":
            break
        optional += 1
    while optional and fraction.endswith("0"):
        fraction, optional = fraction[:-1], optional - 1
    text = _fill(before, whole) + (f".{fraction}" if fraction else "")
    digits = [at for at, (kind, _) in enumerate(behind) if kind == "digit"]
    tail = behind[digits[-1] + 1 :] if digits else behind
    shown = text + "".join(piece for _, piece in tail)
    return f"-{shown}".strip() if value < 0 and float(f"{value:.12g}") else shown.strip()


def _fill(pieces: tuple[tuple[str, str], ...], whole: str) -> str:
    """The digits of a whole number in their places; those that have none stand in front of the first place."""
    places = [at for at, (kind, _) in enumerate(pieces) if kind == "digit"]
    least = next((len(places) - n for n, at in enumerate(places) if pieces[at][1] == "0"), 0)
    digits = whole.rjust(least, "0") if whole != "0" or least else ""
    left = len(digits) - len(places)
    out = []
    for at, (kind, text) in enumerate(pieces):
        if kind != "digit":
            out.append(text)
            continue
        position = left + places.index(at)
        start = 0 if at == places[0] else max(position, 0)
        out.append(digits[start : position + 1] if position >= 0 else "")
    return "".join(out)

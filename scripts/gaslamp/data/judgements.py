"""Whether an answer is good, by a column next to it: a flag with a name, a verdict in words, stars or a number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data import judged_words as words
from gaslamp.data.rows import LeftOut, Row, SourceRow
from gaslamp.data.verdicts import get_rating

ROLES = ("keep", "threshold", "good_if")
"""Roles of data.columns that any format takes: the column that judges a row, and what in it is good."""
BELOW = "below "
"""Begins a threshold under which a number is good."""
FEW = 6  # different verdicts; more are a text or a number


@lru_cache(1024)
def clean(text: str) -> str:
    """A verdict as the tables write it: no case, no accents, words joined by ``_``; signs alone stay."""
    lower = text.strip().casefold().removesuffix(".0")
    if not any(char.isalpha() for char in lower):
        return lower
    plain = "".join(char for char in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(char))
    return re.sub(r"[^\w/]+", "_", unicodedata.normalize("NFC", plain)).strip("_")


def to_verdict(value: object) -> str:
    """A cell as the tables write verdicts; empty for an empty cell."""
    return "" if value is None else clean(str(value))


def is_unrated(value: object) -> bool:
    """Whether a cell says that an answer has no rating."""
    return to_verdict(value) in ("", *words.UNRATED)


def is_verdict(value: object) -> bool:
    """Whether a cell says good or bad, or yes or no."""
    return to_verdict(value) in words.GOOD | words.BAD | words.YES | words.NO


def get_polarity(name: str) -> int:
    """What a yes in a column of this name says about the answer: 1 good, -1 bad, 0 nothing."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    text = clean(split)
    parts = [part for part in text.split("_") if part not in words.FILLERS]
    sign = 1
    while len(parts) > 1 and parts[0] in words.NEGATIONS:
        sign, parts = -sign, parts[1:]
    for whole in (text, "_".join(parts)):
        if whole in words.GOOD_NAMES:
            return sign
        if whole in words.BAD_NAMES:
            return -sign
    known = [1 if part in words.GOOD_NAMES else -1 if part in words.BAD_NAMES else 0 for part in parts]
    return sign * known[0] if known and known[0] and all(item == known[0] for item in known) else 0


def is_state(name: str) -> bool:
    """Whether a column says what became of a row, rather than how good its answer is."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return bool({clean(split), *clean(split).split("_")} & words.STATES)


def find_verdict(name: str, values: Iterable[object], wordless: bool = True) -> JsonObject | None:
    """How a column judges the answers of its rows, as roles ``good_if`` or ``threshold``; ``None``: it does not.

    Empty: its words say it themselves.

    Args:
        name: of the column.
        values: its cells in the sample.
        wordless: whether words that judge count under any name, and not only flags under a name that judges.
    """
    cells = list(values)
    texts = [to_verdict(value) for value in cells]
    distinct = {text for text in texts if text and text not in words.UNRATED}
    polarity = get_polarity(name)
    if not distinct:
        return None
    if polarity < 0 and len(distinct) > 2 and (numbers := _read_shares(cells)):
        return {"threshold": f"{BELOW}{_get_middle(numbers)}"}
    if (
        polarity < 0
        and 2 * texts.count("") >= len(texts)
        and not distinct & (words.GOOD | words.BAD | words.YES | words.NO)
    ):
        return {"good_if": ""}  # an error, in the words of a program: a row without one is good
    if len(distinct) > FEW:
        return None
    judging = (words.GOOD | words.BAD) & distinct
    if distinct <= words.YES | words.NO and not (judging - words.YES - words.NO):
        if not polarity:
            return None
        if polarity > 0:
            return {} if distinct & words.NO else None
        good = sorted({str(value).strip() for value, text in zip(cells, texts, strict=True) if text in words.NO})
        bad = distinct & words.YES
        if not bad:  # nothing in the sample is bad
            return None
        return {"good_if": ", ".join(good)} if good else {"good_if": ""} if "" in texts else None
    if not (wordless or polarity) or not distinct <= words.GOOD | words.BAD | words.YES | words.NO:
        return None
    return {} if distinct & words.BAD else None


def _read_shares(values: Iterable[Any]) -> list[float]:
    """The cells as numbers, when all that are filled are some."""
    filled = [value for value in values if not is_unrated(value)]
    numbers = [number for value in filled if (number := get_rating(value)) is not None]
    return numbers if len(numbers) == len(filled) else []


def _get_middle(numbers: list[float]) -> str:
    top = max(numbers)
    return next(
        (limit for scale, limit in ((1, "0.5"), (5, "3"), (10, "5"), (100, "50")) if top <= scale), f"{top / 2:g}"
    )


def is_good(value: object, column: str, mapping: JsonObject) -> bool:
    """A rating as true or false.

    Args:
        value: the cell.
        column: its name, for messages.
        mapping: with ``good_if`` the values that are good, with commas between them ("": an empty cell); with
            ``threshold`` the lowest number that is, or ``below N``; without either, words and flags.

    Raises:
        LeftOut: it says that there is none.
        ValueError: it is neither.
    """
    good_if, threshold = mapping.get("good_if"), mapping.get("threshold")
    if good_if is not None:
        if good_if == "":
            return value is None or not str(value).strip()
        if is_unrated(value):
            raise LeftOut(f"column '{column}' has no rating")
        wanted = {clean(part) for part in (good_if, *good_if.split(","))}
        return to_verdict(value) in wanted
    if is_unrated(value):
        raise LeftOut(f"column '{column}' has no rating")
    if isinstance(value, bool):
        return value
    if threshold is not None:
        number = get_rating(value)
        if number is None or number != number:
            raise ValueError(f"column '{column}' holds {value!r}, no number to compare with {threshold}")
        text = str(threshold)
        return number < float(text.removeprefix(BELOW)) if text.startswith(BELOW) else number >= float(text)
    verdict = to_verdict(value)
    if verdict in words.GOOD | words.YES:
        return True
    if verdict in words.BAD | words.NO:
        return False
    raise ValueError(
        f"column '{column}' holds {value!r}: neither good nor bad (true / false, thumbs, or set data.columns: "
        f"{{good_if: ...}} or {{threshold: ...}})"
    )


def convert_kept(convert: Callable[[SourceRow, JsonObject], Row], row: SourceRow, mapping: JsonObject) -> Row:
    """``convert`` of a row that the role ``keep`` lets through.

    Args:
        convert: of a format plug-in.
        row: of the source.
        mapping: role -> column, with ``keep`` where rows are chosen by a column.

    Raises:
        LeftOut: the row is judged bad, or not at all.
        ValueError: the column holds no verdict.
    """
    if "keep" in mapping:
        column = mapping["keep"]
        value = row.get(column)
        if not {"threshold", "good_if"} & mapping.keys() and not is_verdict(value) and get_rating(value) is not None:
            mapping = {**mapping, "threshold": "0.5"}
        if not is_good(value, column, mapping):
            shown = f"{value}" if value not in (None, "") else "empty"
            raise LeftOut(f"column '{column}' is {shown}{_say_limit(mapping)}")
        mapping = {role: name for role, name in mapping.items() if role not in ROLES}
    made: Row = convert(row, mapping)
    return made


def _say_limit(mapping: JsonObject) -> str:
    threshold = mapping.get("threshold")
    if threshold is None:
        return ""
    text = str(threshold)
    return f", not {text}" if text.startswith(BELOW) else f", below {text}"

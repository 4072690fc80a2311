"""Which of its two answers a row says is better, by the columns of a mapping."""

from __future__ import annotations

from gaslamp.data.comparing import show
from gaslamp.data.rows import SourceRow
from gaslamp.data.twins import get_marks
from gaslamp.data.verdicts import Side, clean, get_number, read_number, read_words


def find_better(row: SourceRow, mapping: dict[str, str]) -> Side:
    """Which answer of a row is better.

    Raises:
        ValueError: it does not say.
    """
    if "tie" in mapping and clean(row.get(mapping["tie"]) or 0) in ("1", "true"):
        return "tie"
    if "winner" in mapping:
        return _read_winner(row, mapping)
    roles = _get_roles(mapping)
    one, two = (get_number(row.get(mapping.get(role, ""))) for role in roles)
    if one is None or two is None:
        raise ValueError(
            f"columns '{mapping.get(roles[0])}' and '{mapping.get(roles[1])}' hold no two numbers"
            if roles[0] in mapping
            else "no column says which answer is better: name it, data.columns: {winner: ...}"
        )
    if one == two:
        return "tie"
    return "first" if (one > two) is (roles[0] == "first_score") else "second"


def _read_winner(row: SourceRow, mapping: dict[str, str]) -> Side:
    column, names = mapping["winner"], (mapping["first"], mapping["second"])
    value = row.get(column)
    text = "" if value is None else clean(value)
    if not text:
        return "tie"
    if "first_if" in mapping:
        for role in ("first_if", "second_if"):  # any words that a person names
            if text == mapping.get(role, "").strip().casefold():
                return "first" if role == "first_if" else "second"
        if side := read_number(text, mapping["first_if"], mapping.get("second_if")):
            return side
    for columns in (names, ("model_a", "model_b")):  # the text of the answer itself, or who wrote it
        one, two = (_is_text(row.get(column), text) for column in columns)
        if one is not two:
            return "first" if one else "second"
    side = read_words(text, get_marks(*names), names)
    if side is None:
        raise ValueError(f"column '{column}' is {show(value)!r}, which names neither '{names[0]}' nor '{names[1]}'")
    return side


def _is_text(cell: object, text: str) -> bool:
    return isinstance(cell, str | int | float) and len(str(cell)) >= len(text) and clean(cell) == text


def _get_roles(mapping: dict[str, str]) -> tuple[str, str]:
    return ("first_rank", "second_rank") if "first_rank" in mapping else ("first_score", "second_score")


def try_row(row: SourceRow, mapping: dict[str, str]) -> Side | None:
    """The same for a sample; ``None`` when the row has no verdict, or one that is not understood."""
    if row.get(mapping["winner"]) in (None, ""):
        return None
    try:
        return find_better(row, mapping)
    except ValueError:
        return None


def agree(one: list[Side | None], other: list[Side | None]) -> bool:
    """Whether two readings never contradict each other in the sample."""
    return all(a == b or None in (a, b) or "tie" in (a, b) for a, b in zip(one, other, strict=True))

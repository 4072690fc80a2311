"""Readings of columns that hold lists of answers: one is that answer, several are a question."""

from __future__ import annotations

from dataclasses import replace

from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning.gold import RIGHT
from gaslamp.data.meaning.names import get_hint, normalize
from gaslamp.data.meaning.readings import Mapping, Reading
from gaslamp.data.rows import SourceRow
from gaslamp.data.several import FIRST, LIST, ONLY, TAKE, count_answers, get_answers

FORMATS = ("prompt_completion", "alpaca", "kto", "grpo")
"""Formats that know the setting."""
OPEN = 0.65


def spread_lists(readings: list[Reading], rows: list[SourceRow]) -> list[Reading]:
    """The readings, with what is learnt of a list of answers: several different ones make two readings, both open.

    Args:
        readings: best first.
        rows: the sample.
    """
    result = []
    for reading in readings:
        ways = get_ways(reading.format, reading.mapping, rows)
        if len(ways) < 2:
            result.append(replace(reading, mapping=ways[0]) if ways else reading)
            continue
        for way in ways:
            take = str(way[TAKE])
            what = "the first of them is learnt" if take == FIRST else "the list is learnt as JSON"
            reason = f"{reading.reason}; rows have several answers: {what}"
            score = min(reading.score, OPEN - 0.05 * (take == LIST))
            key = reading.key if take == FIRST else f"{reading.key} as a list"
            result.append(replace(reading, key=key, mapping=way, reason=reason, score=score))
    return result


def get_ways(format_name: str, mapping: Mapping, rows: list[SourceRow]) -> list[Mapping]:
    """The mappings that say what is learnt of a list of answers; empty where there is none, or the mapping says it."""
    column = get_answers(mapping)
    if format_name not in FORMATS or not column or TAKE in mapping or not (_is_answer(column) or _is_class(column)):
        return []
    count = count_answers(row.get(column) for row in rows)
    if count > 1 and not _is_answer(column):
        return []
    takes = (ONLY,) if count == 1 else (FIRST, LIST) if count else ()
    return [{**mapping, TAKE: take} for take in takes]


def complete_take(format_name: str, mapping: Mapping, rows: list[SourceRow]) -> Mapping:
    """The mapping of data.columns with what is learnt of a list of one answer.

    Raises:
        GaslampError: rows have several answers, and data.columns does not say which is learnt.
    """
    ways = get_ways(format_name, mapping, rows)
    if len(ways) > 1:
        raise GaslampError(
            f"rows have several answers in column '{get_answers(mapping)}', and data.columns does not say what "
            "is learnt of them",
            f'add to data.columns {TAKE}: "{FIRST}" for the first of them, or {TAKE}: "{LIST}" for the list as JSON',
        )
    return ways[0] if ways else mapping


def _is_class(column: str) -> bool:
    """Whether a name is that of a class: Doccano and Label Studio write a list, though each row has one."""
    hint = get_hint(column)
    return hint is not None and hint.concept == "label" or normalize(column) == "accept"  # Prodigy's choice


def _is_answer(column: str) -> bool:
    """Whether a name is that of an answer; a list of labels or keywords is learnt as it is."""
    hint = get_hint(column)
    return normalize(column).removesuffix("s") in RIGHT or (hint is not None and hint.concept == "answer")

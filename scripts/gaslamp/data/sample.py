"""The first rows of a source.

Standard library alone, as far as the kind of file allows: the interview looks at the data in cookiecutter's own
interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

from gaslamp.data import (
    argilla,
    chat_marks,
    chats,
    exports,
    flat_turns,
    intents,
    numbered_turns,
    question_lists,
    spans,
    speech_lists,
    tagged,
    trees,
    vendors,
)
from gaslamp.data.meaning import LOOKED_AT, get_columns
from gaslamp.data.readers.chunks import Chunk, Problem
from gaslamp.data.rows import SourceRow
from gaslamp.data.sources import Source

BROKEN = 20 * LOOKED_AT  # lines that cannot be read, after which no more are tried


def read_sample(
    source: Source, problems: list[Problem], broken: int = BROKEN, wanted: Iterable[str] = ()
) -> list[SourceRow]:
    """The first rows of a source, LOOKED_AT at most.

    Args:
        source: an open one; when it holds trees of messages, it is changed into one of conversations.
        problems: takes up the lines that cannot be read.
        broken: how many of these end the reading.
        wanted: columns that the user names. Of one that the first rows do not have, the first row that has it is added.
    """
    wanted = list(wanted)
    rows = _read_first(source, problems, broken)
    named = not set(wanted) - set(get_columns(rows))  # data.columns may name what comes of the rows
    if (source.unfolds or not named) and (chunks := _find_unfolded(source, rows)):
        source.chunks, source.unfolds = chunks, False
        problems.clear()
        rows = _read_first(source, problems, broken)
    missing = set(wanted) - set(get_columns(rows))
    # data.columns may name the columns of the file, or the keys in them
    if (not wanted or missing) and (export := exports.find_shape(rows)):
        source.chunks = exports.unfold(source.chunks, export, source.notes)
        problems.clear()
        rows = _read_first(source, problems, broken)
        missing = set(wanted) - set(get_columns(rows))
    return [*rows, *_find_rows_with(source, missing)] if missing and rows else rows


def explain_no_rows(source: Source, problems: list[Problem]) -> str:
    """Why a source whose sample is empty gives no row.

    Args:
        source: as ``read_sample`` left it.
        problems: what ``read_sample`` found.
    """
    return ": ".join(problems[0][:2]) if problems else "; ".join(source.notes) or "it is empty"


def _find_rows_with(source: Source, missing: set[str]) -> Iterator[SourceRow]:
    """For each of some columns the first row that has it: JSON lines may have a key late."""
    for chunk in source.chunks():
        for _, row in chunk.read([]):
            if found := missing & set(row):
                missing -= found
                yield row
                if not missing:
                    return


def _find_unfolded(source: Source, rows: list[SourceRow]) -> Callable[[], Iterator[Chunk]] | None:
    """The conversations of a source whose rows are none; ``None`` for one whose rows are read as they are."""
    if shape := trees.find_shape(rows):
        return trees.unfold(source.chunks, shape, source.notes)
    if marked := spans.find_shape(rows):
        return spans.unfold(source.chunks, marked, source.notes)
    if records := argilla.find_shape(rows):
        return argilla.unfold(source.chunks, records, source.notes)
    if vendor := vendors.find_vendor(rows):
        return vendors.unfold(source.chunks, vendor, source.notes)
    if recordings := speech_lists.find_shape(rows, source.folder):
        return speech_lists.unfold(source.chunks, recordings, source.notes)
    if intent := intents.find_shape(rows):
        return intents.unfold(source.chunks, intent, source.notes)
    if lists := question_lists.find_column(rows):
        return question_lists.unfold(source.chunks, lists, source.notes)
    if turns := numbered_turns.find_columns(rows):
        return numbered_turns.unfold(source.chunks, turns, source.notes)
    if words := tagged.find_shape(rows):
        return tagged.unfold(source.chunks, words, source.notes)
    if chat := chats.find_shape(rows):
        people = chat_marks.read_people(source.folder) if chat.program == "Slack" else {}
        return chats.unfold(source.chunks, chat, source.notes, people)
    if columns := flat_turns.find_columns(rows):
        return partial(flat_turns.unfold, source.chunks, columns, source.notes)
    if table := chats.find_table(rows):
        return chats.unfold(source.chunks, table, source.notes)
    return None


def _read_first(source: Source, problems: list[Problem], broken: int) -> list[SourceRow]:
    rows: list[SourceRow] = []
    for chunk in source.chunks():
        rows += [row for _, row in islice(chunk.read(problems), LOOKED_AT - len(rows))]
        if len(rows) >= LOOKED_AT or len(problems) > broken:
            break
    return rows

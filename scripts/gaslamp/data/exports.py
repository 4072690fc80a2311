"""Examples that tools of evaluation export: what went in and what should come out, as objects in two columns.

LangSmith (``inputs``, ``outputs``), Langfuse (``input``, ``expectedOutput``) and Braintrust (``input``, ``expected``).
Their keys become columns; messages of LangChain become turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import parse_json
from gaslamp.data.langchain import is_langchain, read_langchain
from gaslamp.data.meaning.names import get_hint
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, parse_rows
from gaslamp.data.rows import SourceRow
from gaslamp.data.turns import is_turn

PAIRS = (
    ("inputs", "outputs"),
    ("input", "expectedOutput"),
    ("input", "expected_output"),
    ("input", "expected"),
)
TURNS = ("messages", "message", "input", "chat_history", "history")
"""Keys of an input that may hold turns."""
ANSWERS = ("message", "messages", "choices", "generations", "output", "content", "text")
"""Keys of an output that may hold a turn, best first."""
MEANT = ("answer", "label", "summary", "rating", "reasoning", "extraction")
"""Concepts of a key that say that the keys of an output are columns; without one the object is itself the answer."""


class Shape(NamedTuple):
    """The two columns."""

    given: str
    answered: str


def find_shape(rows: list[SourceRow]) -> Shape | None:
    """The columns of an export; ``None`` for other rows."""
    columns = {name for row in rows for name in row}
    for given, wanted in PAIRS:
        answered = wanted
        if {given, answered} <= columns:
            if all(
                row.get(answered) is None for row in rows
            ):  # nobody wrote what is expected: what came stands in output
                answered = "output"
            cells = [(parse_json(row.get(given)), parse_json(row.get(answered))) for row in rows]
            objects = sum(isinstance(one, dict) or isinstance(other, dict) for one, other in cells)
            turns = sum(_read_turns(one) is not None for one, _ in cells)
            if 2 * max(objects, turns) > len(rows):
                return Shape(given, answered)
    return None


def unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape, notes: list[str]) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the rows with a column for each key.

    Args:
        chunks: starts a pass over the rows of the file.
        shape: from ``find_shape``.
        notes: takes up what was decided.
    """
    note = f"the keys of '{shape.given}' and '{shape.answered}' are columns"
    if note not in notes:
        notes.append(note)
    return partial(_unfold, chunks, shape)


def _unfold(chunks: Callable[[], Iterator[Chunk]], shape: Shape) -> Iterator[Chunk]:
    for chunk in chunks():
        problems: list[Problem] = []
        rows: list[Numbered] = [(number, take_apart(row, shape)) for number, row in chunk.read(problems)]
        yield Chunk(parse_rows, chunk.label, chunk.first, rows, chunk.split, tuple(problems))


def take_apart(row: SourceRow, shape: Shape) -> SourceRow:
    """A row with the keys of its input and output as columns; its other columns stay.

    Args:
        row: of an export.
        shape: from ``find_shape``.
    """
    given, answered = parse_json(row.get(shape.given)), parse_json(row.get(shape.answered))
    rest = {name: value for name, value in row.items() if name not in shape}
    read = _read_given(given)
    made = _read_answered(answered, read)
    return {**read, **made, **{name: value for name, value in rest.items() if name not in read and name not in made}}


def _read_given(given: object) -> SourceRow:
    turns = _read_turns(given)
    if turns is not None:
        return {"messages": turns}
    if not isinstance(given, dict):
        return {"input": given}
    result: SourceRow = {}
    for key, value in given.items():
        turns = _read_turns(value) if key in TURNS else None
        if turns is None:
            result[key] = value
        else:
            result["history" if "history" in key else "messages"] = turns
    return result


def _read_answered(answered: object, given: SourceRow) -> SourceRow:
    if (said := _find_said(answered, given)) is not None:
        return {"output": said}
    if not isinstance(answered, dict):
        return {"output": answered}
    if "messages" in given and len(answered) == 1:
        return {"output": next(iter(answered.values()))}
    named = [key for key in answered if (hint := get_hint(key)) and hint.concept in MEANT]
    if not named and len(answered) > 1:
        return {"output": answered}
    return {f"output_{key}" if key in given else key: value for key, value in answered.items()}


def _find_said(answered: object, given: SourceRow) -> object:
    """What the assistant says in an output: its text, or its turns when there is more to them; ``None`` for neither."""
    for _ in range(5):
        if isinstance(answered, list) and len(answered) == 1 and isinstance(answered[0], list | dict):
            turn = _read_turns(answered)
            answered = turn if turn is not None else answered[0]
            if turn is not None:
                break
        elif isinstance(answered, dict) and not _is_message(answered):
            key = next((name for name in ANSWERS if isinstance(answered.get(name), list | dict)), None)
            if key is None:
                break
            answered = answered[key]
        else:
            break
    turns = _read_turns([answered] if isinstance(answered, dict) and _is_message(answered) else answered)
    if not turns:
        return None
    before = given.get("messages")
    if isinstance(before, list) and turns[: len(before)] == before:
        turns = turns[len(before) :]
    text = turns[0].get("content") if len(turns) == 1 else None
    plain = isinstance(text, str) and set(turns[0]) <= {"role", "content"}
    return text if plain else turns or None


def _read_turns(value: object) -> list[JsonObject] | None:
    """Messages of OpenAI or LangChain, in one list or in a list of one; ``None`` for anything else."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return None
    if not all(_is_message(item) for item in value):
        return None
    return [_read_message(item) for item in value]


def _is_message(value: JsonObject) -> bool:
    return is_turn(value) or is_langchain(value)


def _read_message(value: JsonObject) -> JsonObject:
    return read_langchain(value) if is_langchain(value) else value

"""What makes a meaning a question that names and cells alone would have decided."""

from __future__ import annotations

from dataclasses import replace

from gaslamp.data.cells import parse_list
from gaslamp.data.meaning.examples import render_row
from gaslamp.data.meaning.infer import ANSWERS, OPEN_ANSWERS
from gaslamp.data.meaning.names import normalize
from gaslamp.data.meaning.passed_over import OPEN_TEXT
from gaslamp.data.meaning.profile import TEXT_LETTERS, Profile
from gaslamp.data.meaning.readings import Mapping, Reading, serves
from gaslamp.data.meaning.several import spread_lists
from gaslamp.data.readers.line_shapes import WHOLE
from gaslamp.data.rows import SourceRow

LISTED = ("prompt", "prompts", "question", "questions", "instruction", "query", "queries")

DOUBTED = ("prompt_completion", "alpaca", "grpo")
"""Formats of columns that could as well be learnt otherwise; turns and preferences say what they are."""


def add_whole(readings: list[Reading], kinds: tuple[str, ...]) -> list[Reading]:
    """The readings of the parts of a line, none certain, and that of the whole line as running text."""
    whole = Reading(
        "text", "text", {"text": WHOLE}, "text", "running text: that its lines have parts says nothing", OPEN_TEXT
    )
    parts = [replace(one, score=min(one.score, OPEN_ANSWERS)) for one in readings if one.kind != "text"]
    served = [one for one in (*parts, whole) if not kinds or serves(one, kinds)] or [*parts, whole]
    if served == [whole]:
        return [replace(whole, score=1.0)]
    return sorted(served, key=lambda reading: -reading.score)


def doubt_objects(readings: list[Reading], rows: list[SourceRow]) -> list[Reading]:
    """The readings; all open when answers are objects with lists of a set's own: ``{"text": [...], "score": [...]}``.

    An object under another name (``output``) may well be the JSON to write.
    """
    if any(_reads_list(reading, rows) for reading in readings):
        return [replace(one, score=min(one.score, OPEN_TEXT)) for one in readings]
    if not any(_learns_object(reading, rows) for reading in readings):
        return readings
    return [
        replace(one, score=min(one.score, OPEN_TEXT), reason=f"{one.reason}; each is an object, learnt as JSON")
        if _learns_object(one, rows)
        else replace(one, score=min(one.score, OPEN_TEXT))
        for one in readings
    ]


def _reads_list(reading: Reading, rows: list[SourceRow]) -> bool:
    """Whether most prompts are lists of texts, which would be read as JSON; an ``input`` may well be one."""
    column = reading.mapping.get("prompt")
    if reading.format != "prompt_completion" or not isinstance(column, str) or normalize(column) not in LISTED:
        return False
    values = [parse_list(row.get(column)) for row in rows]
    lists = [value for value in values if isinstance(value, list) and value and isinstance(value[0], str)]
    return 2 * len(lists) > len(rows)


def _learns_object(reading: Reading, rows: list[SourceRow]) -> bool:
    """Whether most answers are objects with a list, and none that the format reads (SQuAD's, TriviaQA's)."""
    column = str(reading.mapping.get("completion", ""))
    if reading.format != "prompt_completion" or "answer" not in normalize(column):
        return False
    values = [value for row in rows if isinstance(value := parse_list(row.get(column)), dict)]
    lists = [value for value in values if any(isinstance(item, list) for item in value.values())]
    return 2 * len(lists) > len(rows) and any(text.startswith("{") for _, text in render_row(reading, rows)[-1:])


def is_unordered(reading: Reading, rows: list[SourceRow]) -> bool:
    """Whether preferences are lists of texts of which no column or name says that the first is best."""
    if reading.kind != "preference" or {"ranks", "scores", "best"} & set(reading.mapping):
        return False
    column = str(reading.mapping.get("ranked", ""))
    cells = [parse_list(row.get(column)) for row in rows if row.get(column)] if column else []
    texts = [cell for cell in cells if isinstance(cell, list) and all(isinstance(item, str) for item in cell)]
    return "rank" not in normalize(column) and bool(texts) and 2 * len(texts) > len(cells)


def read_first_answers(own: Reading, rows: list[SourceRow]) -> list[Reading]:
    """What the lists of answers of preferences are otherwise: several right answers to one question."""
    mapping: Mapping = {"prompt": own.mapping["prompt"], "completion": own.mapping["ranked"]}
    if "input" in own.mapping:
        mapping = {"instruction": mapping["prompt"], "output": mapping["completion"], "input": own.mapping["input"]}
    name = "alpaca" if "input" in own.mapping else "prompt_completion"
    reason = f"'{own.mapping['ranked']}' answers '{own.mapping['prompt']}'"
    key = f"answer {own.mapping['ranked']}"
    return spread_lists([Reading(key, name, mapping, "conversation", reason, OPEN_TEXT)], rows)


def doubt_lost(readings: list[Reading], lost: list[Profile], kinds: tuple[str, ...]) -> list[Reading]:
    """The readings; all open when the best one leaves out what may as well be learnt, or asked about.

    An answer in sentences, a list or an object next to what is learnt is no remark. A prompt without an answer needs
    what its rewards compare with.

    Args:
        readings: best first.
        lost: the columns with information that the best one does not read.
        kinds: what the method takes.
    """
    best = readings[0]
    rivals = [column for column in lost if _is_rival(column)]
    if best.format == "grpo" and "answer" not in best.mapping:
        rivals = lost
    if not rivals or best.format not in DOUBTED:
        return readings
    known = {one.mapping.get("completion") for one in readings}
    more = [made for column in rivals if column.name not in known and (made := _read_rival(best, column))]
    more = [one for one in more if not kinds or serves(one, kinds)]
    return [replace(one, score=min(one.score, OPEN_ANSWERS)) for one in (*readings, *more)]


def _is_rival(column: Profile) -> bool:
    """Whether a column holds answers in sentences, or more than a text."""
    if not column.is_common or column.concept in ("meta", "rating", "winner", "language", "choices"):
        return False
    worded = column.is_free_text and column.letters >= TEXT_LETTERS
    return (worded and column.concept in ANSWERS) or column.is_json or column.holds in ("list", "object", "turns")


def _read_rival(best: Reading, column: Profile) -> Reading | None:
    """What ``best`` reads, with another column as what is learnt of it."""
    if best.format != "prompt_completion" or column.holds == "turns":
        return None
    read: Mapping = {role: best.mapping[role] for role in ("prompt", "context", "system") if role in best.mapping}
    reason = f"'{column.name}' is the answer to the same"
    return Reading(
        f"answer {column.name}",
        best.format,
        {**read, "completion": column.name},
        best.rows,
        reason,
        OPEN_ANSWERS - 0.05,
    )

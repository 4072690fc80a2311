"""What makes a meaning a question that names and cells alone would have decided."""

from __future__ import annotations

from dataclasses import replace

from gaslamp.data.cells import parse_list
from gaslamp.data.meaning.examples import render_row
from gaslamp.data.meaning.gold import RIGHT
from gaslamp.data.meaning.infer import OPEN_ANSWERS
from gaslamp.data.meaning.names import normalize
from gaslamp.data.meaning.passed_over import OPEN_TEXT
from gaslamp.data.meaning.profile import Profile
from gaslamp.data.meaning.readings import Mapping, Reading, serves
from gaslamp.data.meaning.rivals import find_repeated, find_rivals
from gaslamp.data.meaning.several import spread_lists
from gaslamp.data.readers.line_shapes import WHOLE
from gaslamp.data.rows import SourceRow
from gaslamp.data.turns import get_role, is_turns

LISTED = ("prompt", "prompts", "question", "questions", "instruction", "query", "queries")

DOUBTED = ("prompt_completion", "alpaca", "grpo", "text", "kto", "preference")
"""Formats of columns that could as well be learnt otherwise; turns and preferences say what they are."""


def add_whole(readings: list[Reading], kinds: tuple[str, ...]) -> list[Reading]:
    """The readings of the parts of a line, none certain, and that of the whole line as running text."""
    whole = Reading(
        "text", "text", {"text": WHOLE}, "text", "running text: that its lines have parts says nothing", OPEN_TEXT
    )
    parts = [replace(one, score=min(one.score, OPEN_ANSWERS)) for one in readings if one.kind != "text"]
    served = [one for one in (*parts, whole) if not kinds or serves(one, kinds)] or [*parts, whole]
    if served == [whole] and kinds:
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


def doubt_rivals(
    readings: list[Reading],
    profiles: list[Profile],
    lost: list[Profile],
    rows: list[SourceRow],
    kinds: tuple[str, ...],
) -> list[Reading]:
    """The readings; all open when another column may as well be learnt, or one that is read says the answer.

    Args:
        readings: best first.
        profiles: of all columns.
        lost: the columns with information that the best one does not read.
        rows: the sample.
        kinds: what the method takes.
    """
    best = readings[0]
    if best.format == "messages" and (open_talk := _read_open_talk(best, lost, rows)):
        return [open_talk, *_open(readings)] if not kinds or serves(open_talk, kinds) else _open(readings)
    served = bool(kinds) and serves(best, kinds)
    if best.format not in DOUBTED or (served if best.format == "text" else kinds and not served):
        return readings
    if repeated := find_repeated(best, rows):
        prompt = [name for name in best.mapping["prompt"] if name not in repeated]
        mapping: Mapping = {**best.mapping, "prompt": prompt[0] if len(prompt) == 1 else prompt}
        why = f"{best.reason}; left out, as they repeat it or the answer: {', '.join(repeated)}"
        return [replace(best, mapping=mapping, reason=why, score=OPEN_ANSWERS), *_open(readings)]
    rivals = find_rivals(best, profiles, lost, rows)
    if not rivals:
        return readings
    if best.format == "preference":
        return [*_open(readings), *_read_other_sides(best, rivals)]
    known = {one.mapping.get("completion") for one in readings}
    more = [made for column in rivals if column.name not in known and (made := _read_rival(best, column))]
    more = [one for one in more if not kinds or serves(one, kinds)]
    return sorted(_open([*readings, *more]), key=lambda one: -one.score)


def _read_open_talk(best: Reading, lost: list[Profile], rows: list[SourceRow]) -> Reading | None:
    """Conversations that all end with the user, next to a right answer: prompts whose answers are checked."""
    right = next((column.name for column in lost if normalize(column.name) in RIGHT), None)
    talks = [value for row in rows if is_turns(value := parse_list(row.get(str(best.mapping["messages"]))))]
    last = [talk[-1] for talk in talks if isinstance(talk[-1], dict)]
    ends = [get_role(turn.get("role", turn.get("from"))) for turn in last]
    if right is None or not ends or any(role != "user" for role in ends):
        return None
    reason = f"the turns end with a question, rewards compare the answers with '{right}'"
    mapping: Mapping = {"prompt": best.mapping["messages"], "answer": right}
    return Reading(f"check {right}", "grpo", mapping, "prompt", reason, OPEN_ANSWERS)


def _read_other_sides(best: Reading, rivals: list[Profile]) -> list[Reading]:
    """The preference between two other columns of a better and a worse answer."""
    sides = {
        side: next((one.name for one in rivals if side in normalize(one.name).split("_")), "")
        for side in ("chosen", "rejected")
    }
    if not all(sides.values()):
        return []
    reason = f"'{sides['chosen']}' is better than '{sides['rejected']}'"
    return [replace(best, key="preference 2", mapping={**best.mapping, **sides}, reason=reason, score=OPEN_TEXT)]


def _open(readings: list[Reading]) -> list[Reading]:
    return [replace(one, score=min(one.score, OPEN_ANSWERS)) for one in readings]


def _read_rival(best: Reading, column: Profile) -> Reading | None:
    """What ``best`` reads, with another column as what is learnt of it."""
    if column.holds == "turns" or column.name in best.columns or column.letters == 0:
        return None
    if best.format == "text" and column.distinct > 1:
        own: Mapping = {"prompt": best.mapping["text"], "completion": column.name}
        why = f"'{column.name}' may be what is said of '{best.mapping['text']}'"
        return Reading(f"answer {column.name}", "prompt_completion", own, "conversation", why, OPEN_TEXT - 0.05)
    if best.format != "prompt_completion":
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

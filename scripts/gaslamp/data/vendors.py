"""Rows as programs and benchmarks export them, their parts one level too deep: each becomes rows of plain columns.

Intercom, Zendesk, Labelbox, promptfoo, Moodle; BFCL, MultiWOZ, CoQA, CommonsenseQA, Wizard of Wikipedia, ABCD, SPIN.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import parse_list
from gaslamp.data.chat_marks import read_teams
from gaslamp.data.flat_turns import AGENTS, Place, pack
from gaslamp.data.readers.chunks import Chunk, Problem
from gaslamp.data.rows import SourceRow
from gaslamp.data.turns import is_turns
from gaslamp.data.vendor_talks import SIDES, Take, join_turns, keep_plain, take_log, take_talk

TYPES = {"dict": "object", "float": "number", "tuple": "array"}
"""Types of BFCL's schemas -> those of JSON schema."""
COMPARED = ("equals", "icontains", "contains", "similar", "factuality", "answer-relevance", "starts-with")
"""Assertions of promptfoo whose value is the wanted answer."""


class Vendor(NamedTuple):
    """One kind of rows.

    Attributes:
        name: of the program or set.
        columns: that a row has, at least.
        take: the rows that it becomes; none where nothing in it can be learnt, ``None`` for a row of another kind.
        how: what is done, for the note.
    """

    name: str
    columns: frozenset[str]
    take: Take
    how: str


def find_vendor(rows: list[SourceRow]) -> Vendor | None:
    """What wrote the rows; ``None`` where nothing here did.

    Args:
        rows: the sample.
    """
    best, most = None, 0
    for vendor in VENDORS:
        fitting = [row for row in rows if vendor.columns <= row.keys()]
        if fitting and 2 * len(fitting) > len(rows):
            taken = [vendor.take(row) for row in fitting]
            if 2 * sum(made is not None for made in taken) > len(rows) and sum(map(bool, taken)) > most:
                best, most = vendor, sum(map(bool, taken))
    return best


def unfold(chunks: Callable[[], Iterator[Chunk]], vendor: Vendor, notes: list[str]) -> Callable[[], Iterator[Chunk]]:
    """What starts a pass over the rows of plain columns.

    Args:
        chunks: starts a pass over the rows of the file.
        vendor: from ``find_vendor``.
        notes: takes up what was decided and left out.
    """
    return partial(_unfold, chunks, vendor, notes)


def _unfold(chunks: Callable[[], Iterator[Chunk]], vendor: Vendor, notes: list[str]) -> Iterator[Chunk]:
    left = 0
    for chunk in chunks():
        problems: list[Problem] = []
        rows: list[tuple[Place, SourceRow]] = []
        for number, row in chunk.read(problems):
            made = vendor.take(row) if vendor.columns <= row.keys() else None
            if made is None:
                problems.append((f"{chunk.label} {number}", f"the row is none of {vendor.name}, as the others are", ""))
                continue
            left += not made
            rows += [((chunk.label, number, chunk.split), one) for one in made]
        yield from pack(rows, problems)
    note = f"read as {vendor.name}: {vendor.how}"
    note += f"; left out, without an answer to learn: {left}" if left else ""
    if note not in notes:
        notes.append(note)


def _show(text: object) -> str:
    """A text of a web editor as it was shown."""
    return read_teams({"content": text, "contentType": "html" if re.search(r"<\w+[^>]*>|&\w+;", str(text)) else ""})


def _without(row: SourceRow, *names: str) -> SourceRow:
    return {name: value for name, value in row.items() if name not in names}


def _take_intercom(row: SourceRow) -> list[SourceRow] | None:
    talks = row["conversations"] if isinstance(row.get("conversations"), list) else [row]
    found: list[SourceRow] = []
    for talk in talks:
        if not isinstance(talk, dict) or not isinstance(talk.get("source"), dict):
            return None
        parts = talk.get("conversation_parts")
        parts = parts.get("conversation_parts") if isinstance(parts, dict) else parts
        said = [talk["source"], *(part for part in parts or () if part.get("part_type") != "note")]
        turns = []
        for part in said:
            author = part.get("author") if isinstance(part.get("author"), dict) else {}
            kind = str((author or {}).get("type", ""))
            turns.append(("assistant" if kind in (*AGENTS, "bot") else "user", _show(part.get("body") or "")))
        found += join_turns(turns)
    return found


def _take_zendesk(row: SourceRow) -> list[SourceRow] | None:
    comments = parse_list(row["comments"])
    if not isinstance(comments, list) or not all(isinstance(one, dict) and "author_id" in one for one in comments):
        return None
    shown = [one for one in comments if one.get("public", True)]
    asks = row["requester_id"]
    turns = [("user" if one["author_id"] == asks else "assistant", _show(one.get("body") or "")) for one in shown]
    return [{**_without(row, "comments"), **made} for made in join_turns(turns)]


def _take_labelbox(row: SourceRow) -> list[SourceRow] | None:
    data, projects = row["data_row"], row["projects"]
    text = data.get("row_data") if isinstance(data, dict) else None
    if not isinstance(text, str) or not isinstance(projects, dict):
        return None
    answers: SourceRow = {}
    for project in projects.values():
        for label in (project.get("labels") or [])[:1]:
            for one in (label.get("annotations") or {}).get("classifications") or ():
                answers[str(one.get("name"))] = _read_labelbox(one)
    answers = {name: value for name, value in answers.items() if value}
    return [{"text": text, **answers}] if answers else []


def _read_labelbox(one: JsonObject) -> str:
    if isinstance(one.get("radio_answer"), dict):
        return str(one["radio_answer"].get("name") or "")
    if isinstance(one.get("text_answer"), dict):
        return str(one["text_answer"].get("content") or "")
    return ", ".join(str(item.get("name")) for item in one.get("checklist_answers") or ())


def _take_promptfoo(row: SourceRow) -> list[SourceRow] | None:
    results = row.get("results")
    if isinstance(results, dict) and isinstance(results.get("results"), list):
        made = [one for item in results["results"] for one in _take_promptfoo(item) or []]
        return made or None
    if not isinstance(row.get("vars"), dict) or not row["vars"]:
        return None
    given = {name: value for name, value in row["vars"].items() if isinstance(value, str | int | float)}
    response = row.get("response")
    if isinstance(response, dict) and isinstance(response.get("output"), str):
        return [{**given, "output": response["output"], "is_correct": row.get("success")}]
    checks = [one for one in row.get("assert") or () if isinstance(one, dict) and one.get("type") in COMPARED]
    wanted = next((one["value"] for one in checks if isinstance(one.get("value"), str)), None)
    return [{**given, "expected": wanted}] if wanted is not None else []


def _take_choices(row: SourceRow) -> list[SourceRow] | None:
    """A question of Moodle with one right choice; the choices are mixed later, as the right one often stands first."""
    marked = _read_marked(row)
    right, wrong = [said for grade, said in marked if grade == 100], [said for grade, said in marked if grade <= 0]
    if row.get("type") not in ("multichoice", "truefalse") or len(right) != 1 or len(wrong) != len(marked) - 1:
        return []
    return [{"question": _show_stem(row), "correct_answer": right[0], "incorrect_answers": wrong}] if wrong else []


def _take_short(row: SourceRow) -> list[SourceRow] | None:
    """A question of Moodle that is answered in words or with a number."""
    right = [said for grade, said in _read_marked(row) if grade == 100]
    if row.get("type") not in ("shortanswer", "numerical") or not right:
        return []
    return [{"question": _show_stem(row), "answer": right[0]}]


def _read_marked(row: SourceRow) -> list[tuple[float, str]]:
    answers = row.get("answer")
    answers = answers if isinstance(answers, list) else [answers]
    return [(float(one.get("fraction") or 0), _show(one.get("text"))) for one in answers if isinstance(one, dict)]


def _show_stem(row: SourceRow) -> str:
    stem = row["questiontext"]
    return _show(stem.get("text") if isinstance(stem, dict) else stem)


def _take_bfcl(row: SourceRow) -> list[SourceRow] | None:
    turns, functions, truth = row["question"], row["function"], row["ground_truth"]
    inner = turns[0] if isinstance(turns, list) and turns else None
    talk = inner if isinstance(inner, list) else turns
    if not is_turns(talk) or not isinstance(functions, list) or not isinstance(truth, list):
        return None
    if isinstance(inner, list) and len(turns) > 1 or not all(isinstance(call, dict) for call in truth):
        return []
    calls = []
    for call in truth:
        for name, given in call.items():
            chosen = {key: _choose(value) for key, value in given.items()} if isinstance(given, dict) else {}
            arguments = {key: value for key, value in chosen.items() if value != ""}
            calls.append({"type": "function", "function": {"name": name, "arguments": arguments}})
    tools = [{"type": "function", "function": _rename_types(one)} for one in functions]
    return [{"messages": [*talk, {"role": "assistant", "content": "", "tool_calls": calls}], "tools": tools}]


def _choose(values: object) -> object:
    """The first value that BFCL accepts; "" says that the argument may be left out."""
    value = values[0] if isinstance(values, list) and values else values
    if isinstance(value, dict):
        return {key: made for key, inner in value.items() if (made := _choose(inner)) != ""}
    return value


def _rename_types(schema: object) -> object:
    if isinstance(schema, list):
        return [_rename_types(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: TYPES.get(value, value) if key == "type" and isinstance(value, str) else _rename_types(value)
        for key, value in schema.items()
    }


def _take_coqa(row: SourceRow) -> list[SourceRow] | None:
    questions, answers = row["questions"], row["answers"]
    answers = answers.get("input_text") if isinstance(answers, dict) else answers
    if not isinstance(questions, list) or not isinstance(answers, list) or len(questions) != len(answers):
        return None
    said = [[one.get("input_text") if isinstance(one, dict) else one for one in side] for side in (questions, answers)]
    if not all(isinstance(text, str) for side in said for text in side) or not said[0]:
        return None
    turns = [(role, text) for pair in zip(*said, strict=True) for role, text in zip(SIDES, pair, strict=True)]
    turns[0] = ("user", f"{row['story']}\n\n{turns[0][1]}")
    return join_turns(turns)


def _take_nested_question(row: SourceRow) -> list[SourceRow] | None:
    stem = row["question"]
    if not isinstance(stem, dict) or not isinstance(stem.get("stem"), str) or "choices" not in stem:
        return None
    return [{**_without(row, "question"), "question": stem["stem"], "choices": stem["choices"]}]


def _take_spin(row: SourceRow) -> list[SourceRow] | None:
    if not is_turns(row["real"]) or not is_turns(row["generated"]):
        return None
    return [{"chosen": row["real"], "rejected": row["generated"], **_without(row, "real", "generated")}]


HOW = "the turns are in '{}'; of pairs, those of neither side (actions) are left out"
TALKS = ("dialog", "dialogue", "turns", "content", "original", "conversation")


VENDORS = (
    Vendor("Intercom", frozenset(("conversations",)), _take_intercom, "admins and bots answer; notes are left out"),
    Vendor("Intercom", frozenset(("source", "conversation_parts")), _take_intercom, "admins and bots answer"),
    Vendor(
        "Zendesk",
        frozenset(("requester_id", "comments")),
        _take_zendesk,
        "the requester is the user, everyone else the assistant; comments that are not public are left out",
    ),
    Vendor(
        "Labelbox", frozenset(("data_row", "projects")), _take_labelbox, "the text and the answers of the first label"
    ),
    Vendor("promptfoo", frozenset(("vars",)), _take_promptfoo, "the variables of a test, and what it wants or got"),
    Vendor("promptfoo", frozenset(("results",)), _take_promptfoo, "the variables of a test, and what it got"),
    Vendor("Moodle", frozenset(("questiontext",)), _take_choices, "questions with one right choice"),
    Vendor("Moodle", frozenset(("questiontext",)), _take_short, "questions that are answered in words"),
    Vendor(
        "BFCL",
        frozenset(("question", "function", "ground_truth")),
        _take_bfcl,
        "the first value that is accepted for each argument is learnt; types are those of JSON schema",
    ),
    Vendor(
        "CoQA", frozenset(("story", "questions", "answers")), _take_coqa, "the story stands in front of the questions"
    ),
    Vendor(
        "CommonsenseQA", frozenset(("question", "answerKey")), _take_nested_question, "stem and choices are columns"
    ),
    Vendor("MultiWOZ", frozenset(("log",)), take_log, "user and system take turns"),
    Vendor("SPIN", frozenset(("real", "generated")), _take_spin, "the real answer is better than the generated one"),
    *(
        Vendor("conversations", frozenset((name,)), keep_plain(take_talk(name), name), HOW.format(name))
        for name in TALKS
    ),
)

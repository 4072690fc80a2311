"""Multiple choice (MMLU, ARC, HellaSwag).

A question, its choices, and the right one as an index, a letter or its text.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import find_column, first_value, get_optional, get_text, parse_list, to_text
from gaslamp.data.passages import read_context
from gaslamp.data.prompts import put_system
from gaslamp.data.rows import LeftOut, Row, SourceRow

KIND = "conversation"
ORDER = 38
EXAMPLE = '{"question": "Which is a metal?", "choices": ["wood", "iron"], "answer": 1}'
REQUIRED = ("prompt", "choices", "completion")
OPTIONAL = ("context", "system", "explanation")
READ_ANYWAY = ()
SEVERAL = ("choices",)
QUESTIONS = ("question", "query", "prompt", "problem", "ctx", "input", "goal")
CHOICES = ("choices", "options", "endings", "candidates", "alternatives")
ANSWERS = (
    "answer",
    "answerkey",
    "answer_key",
    "label",
    "correct",
    "correct_answer",
    "answer_idx",
    "answer_index",
    "target",
    "gold",
    "cop",
)
EXPLANATIONS = ("explanation", "exp", "rationale", "reasoning", "reason", "reasons", "cot", "support", "justification")
LETTERED = tuple(
    tuple(pattern.format(mark) for mark in marks)
    for pattern in (
        "{}",
        "option_{}",
        "choice_{}",
        "op{}",
        "sol{}",
        "ending{}",
        "option{}",
        "choice{}",
        "answer_{}",
        "answer{}",
    )
    for marks in ("abcd", "abc", "ab", "1234", "12", "0123", "01")
)


def detect(columns: list[str], rows: list[SourceRow]) -> JsonObject | None:
    """A question, a list of choices (or a column for each), and which one is right, or why; the first reading."""
    found = get_readings(columns, rows)
    return found[0][1] if found else None


def get_readings(columns: list[str], rows: list[SourceRow]) -> list[tuple[str, JsonObject, str]]:
    """What the columns can mean, as key, mapping and reason.

    Three where a row has both the right choice and an explanation (Axolotl's explainchoice, ScienceQA, MedMCQA).
    """
    prompt, choices = find_column(columns, QUESTIONS), find_column(columns, CHOICES)
    several = None if choices else _find_lettered(columns)
    if not prompt or not (choices or several):
        return []
    if choices and not _read_choices(first_value(rows, choices)):
        return []
    free = [column for column in columns if column not in (prompt, choices, *(several or ()))]
    right = find_column(free, ANSWERS)
    solution = find_column(free, ("solution",))
    why = find_column(free, EXPLANATIONS) or (solution if right else None)
    right = right or (solution if why != solution else None)
    answer = right or why
    if not answer:
        return []
    free = [column for column in free if column not in (right, why)]
    context = find_column(free, ("contexts", "context", "passage", "article"))
    base: dict[str, Any] = {"prompt": prompt, "choices": choices or several, "completion": answer}
    base |= {"context": context} if context else {}
    named = f"the answer is in '{answer}'" if right else f"'{answer}' explains the right choice"
    if not right or not why or not first_value(rows, why):
        return [("choices", base, named)]
    return [
        ("answer and explanation", {**base, "explanation": why}, f"{named}, '{why}' stands below it"),
        ("answer", base, named),
        ("explanation", {**base, "completion": why}, f"'{why}' explains the right choice"),
    ]


def _find_lettered(columns: list[str]) -> list[str] | None:
    """A column for each choice: A, B, C, D; option_1, option_2 ..."""
    for names in LETTERED:
        found = [find_column(columns, (name,)) for name in names]
        if all(found) and len(names) > 1:
            return [name for name in found if name]
    return None


def _read_choices(value: Any) -> list[tuple[str, str]]:
    """(letter, text) of each choice, of a list or of ARC's {text: [...], label: [...]}; empty when there are none."""
    value = parse_list(value)
    marks: Any = None
    if isinstance(value, dict):
        if isinstance(value.get("text"), list):
            value, marks = value["text"], value.get("label")
        elif value and all(len(str(key)) <= 2 for key in value):  # {"A": ..., "B": ...}
            value, marks = list(value.values()), list(value)
    if not isinstance(value, list) or not value or len(value) > len(ascii_uppercase):
        return []
    if isinstance(value[0], dict):
        marks = (
            [item.get("label", item.get("key")) for item in value] if "label" in value[0] or "key" in value[0] else None
        )
        value = [item.get("text", item.get("value", "")) for item in value]
    names = marks if isinstance(marks, list) and len(marks) == len(value) else list(ascii_uppercase)
    return [(str(mark).strip(), to_text(text)) for mark, text in zip(names, value, strict=False)]


def convert(row: SourceRow, mapping: JsonObject) -> Row:
    """The question with its choices below it; the answer is the letter and the text of the right one.

    Raises:
        ValueError: no choices, or an answer that is none of them.
        LeftOut: the row does not say which choice is right.
    """
    column = mapping["choices"]
    if isinstance(column, list):
        choices = list(zip(ascii_uppercase, (get_text(row, name) for name in column), strict=False))
    else:
        choices = _read_choices(row.get(column))
    if not choices:
        raise ValueError(f"column '{column}' holds no list of choices")
    question = get_text(row, mapping["prompt"])
    if "context" in mapping and (context := read_context(row, mapping["context"])):
        question = f"{context}\n\n{question}"
    prompt_text = question + "\n\n" + "\n".join(f"{mark}. {text}" for mark, text in choices)
    answer = _find_answer(row.get(mapping["completion"]), choices, mapping["completion"])
    if "explanation" in mapping and (why := get_optional(row, mapping["explanation"])):
        answer = f"{answer}\n\n{why}"
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    messages = put_system([{"role": "user", "content": prompt_text}], system)
    return {"messages": [*messages, {"role": "assistant", "content": answer}]}


def _find_answer(value: Any, choices: list[tuple[str, str]], column: str) -> str:
    """The right choice with its letter; a text that is none of the choices (an explanation) as it stands."""
    if value is None or value == "" or value == -1:
        raise LeftOut(f"column '{column}' does not say which choice is right")
    text = to_text(value).strip()
    by_mark = {mark.casefold(): number for number, (mark, _) in enumerate(choices)}
    texts = [choice.strip() for _, choice in choices]
    if text in texts:
        number = texts.index(text)
    elif text.rstrip(".)").casefold() in by_mark:
        number = by_mark[text.rstrip(".)").casefold()]
    elif text.isdigit() and int(text) < len(choices):
        number = int(text)
    elif len(text) > 2:
        return to_text(value)
    else:
        raise ValueError(f"column '{column}' is {text}, which is none of the {len(choices)} choices")
    return f"{choices[number][0]}. {choices[number][1]}"

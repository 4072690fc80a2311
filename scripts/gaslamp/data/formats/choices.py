"""Multiple choice (MMLU, ARC, HellaSwag).

A question, its choices, and the right one as an index, a letter or its text.
"""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.data.cells import find_column, first_value, get_optional, get_text, parse_list, to_text
from gaslamp.data.distractors import EXPLANATIONS, find_wrong, mix, read_distractors
from gaslamp.data.passages import read_context
from gaslamp.data.prompts import put_system
from gaslamp.data.rows import LeftOut, Row, SourceRow

KIND = "conversation"
ORDER = 38
EXAMPLE = '{"question": "Which is a metal?", "choices": ["wood", "iron"], "answer": 1}'
REQUIRED = ("prompt", "choices", "completion")
INSTEAD = (("prompt", "distractors", "completion"),)
OPTIONAL = ("context", "system", "explanation", "first_number", "distractors")
READ_ANYWAY = ()
SEVERAL = ("choices", "distractors")
QUESTIONS = (
    "question",
    "question_stem",
    "stem",
    "query",
    "prompt",
    "problem",
    "ctx",
    "input",
    "goal",
    "sentence",
    "sent2",
)
FEW = 6
"""So few numbers say nothing about where they count from: published sets count from 0."""
CHOICES = ("choices", "options", "endings", "candidates", "alternatives", "mc1_targets")
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
    *("correct_answer(s)", "correct_answers", "correct_answer_number", "right_answers"),
    *("correct_option", "correct_choice", "correct_index", "correct_idx", "correct_option_index", "correct_letter"),
    *("answer_letter", "answer_option", "right_answer", "solution_index", "gold_index", "ground_truth"),
    *("richtig", "richtige_antwort", "korrekt", "respuesta_correcta", "correcta", "bonne_réponse", "réponse_correcte"),
    *(
        "risposta_corretta",
        "risposta_esatta",
        "resposta_correta",
        "gabarito",
        "juiste_antwoord",
        "juist",
        "good_answer",
    ),
    *("правильный_ответ", "poprawna_odpowiedź", "doğru_cevap", "정답", "正确答案", "正解"),
)
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
        "choices_{}",
        "choices{}",
    )
    for marks in (
        "abcdef",
        "abcde",
        "abcd",
        "abc",
        "ab",
        "012345",  # before 12345, which would leave the first choice out (CosmosQA's answer0)
        "01234",
        "0123",
        "012",
        "01",
        "123456",
        "12345",
        "1234",
        "123",
        "12",
    )
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
    several = None if choices else find_lettered(columns)
    if prompt and not (choices or several) and (wrong := find_wrong(columns, rows)):
        return read_distractors(columns, rows, prompt, wrong)
    if not prompt or not (choices or several):
        return []
    if choices and not _read_choices(first_value(rows, choices)):
        return []
    free = [column for column in columns if column not in (prompt, choices, *(several or ()))]
    right = find_column(free, ANSWERS)
    if not right and choices and _get_marked(first_value(rows, choices)) is not None:
        right = choices
    solution = find_column(free, ("solution",))
    why = find_column(free, EXPLANATIONS) or (solution if right else None)
    right = right or (solution if why != solution else None)
    answer = right or why
    if not answer:
        return []
    free = [column for column in free if column not in (right, why)]
    context = find_column(free, ("contexts", "context", "passage", "article", "premise", "sent1"))
    base: dict[str, Any] = {"prompt": prompt, "choices": choices or several, "completion": answer}
    base |= {"context": context} if context else {}
    named = f"the answer is in '{answer}'" if right else f"'{answer}' explains the right choice"
    numbered = count_from(rows, base) if right else []
    if len(numbered) > 1:
        return [
            (f"choices from {start}", {**base, "first_number": start}, f"{named}, its numbers count from {start}")
            for start in numbered
        ]
    base |= {"first_number": numbered[0]} if numbered else {}
    if not right or not why or not first_value(rows, why):
        return [("choices", base, named)]
    return [
        ("answer and explanation", {**base, "explanation": why}, f"{named}, '{why}' stands below it"),
        ("answer", base, named),
        (
            "explanation",
            {role: name for role, name in base.items() if role != "first_number"} | {"completion": why},
            f"'{why}' explains the right choice",
        ),
    ]


def count_from(rows: list[SourceRow], mapping: JsonObject) -> list[str]:
    """The number of the first choice, ``0`` or ``1``, where answers are numbers of choices; both where nothing says it.

    Empty where answers are letters or texts. MMLU's choices may be numbers too: ``answer: 2`` is the third of 8, 2, 24
    and 120, not the one that reads 2.

    Args:
        rows: the sample.
        mapping: with the columns of the choices and of the answer.
    """
    found: list[tuple[int, int]] = []  # number, and how many choices there are
    worded = others = 0
    for row in rows:
        value = row.get(mapping["completion"])
        choices = _get_choices(row, mapping["choices"])
        if value in (None, "", -1) or not choices:
            continue
        number = _read_number(value)
        worded += isinstance(value, str) and value.strip() in [text.strip() for _, text in choices]
        if number is None or any(mark == str(number) for mark, _ in choices):
            others += 1
        else:
            found.append((number, len(choices)))
    if len(found) <= others or worded > 0.9 * len(found):
        return []
    zero, last = any(number == 0 for number, _ in found), any(number == count for number, count in found)
    column = mapping["choices"]
    if zero or last:
        return ["0"] if zero else ["1"]
    if isinstance(column, list) and column[0][-1:] == "1":  # option1, option2
        return ["1"]
    return ["0"] if len(found) < FEW else ["0", "1"]


def _read_number(value: Any) -> int | None:
    """A whole number, also as text and as ``2.0``, which tables make of it."""
    text = to_text(value).strip()
    return int(text.split(".")[0]) if re.fullmatch(r"\d{1,2}(\.0+)?", text) else None


def find_lettered(columns: list[str]) -> list[str] | None:
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
        if _get_marked(value) is not None:
            value = value["choices"]
        elif isinstance(value.get("text"), list):
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


def complete(mapping: JsonObject, rows: list[SourceRow]) -> list[JsonObject]:
    """The mapping of data.columns with where the numbers of its answers count from.

    Raises:
        GaslampError: nothing says it.
    """
    if "first_number" in mapping or not {"choices", "completion"} <= set(mapping):
        return [mapping]
    starts = count_from(rows, mapping)
    if len(starts) > 1:
        raise GaslampError(
            f"the numbers in column '{mapping['completion']}' may count the choices from 0 or from 1: no row says it",
            'add to data.columns first_number: "0" or first_number: "1"',
        )
    return [mapping | {"first_number": starts[0]} if starts else mapping]


def _get_marked(value: Any) -> int | None:
    """The place of the right one in choices that are marked 0 or 1 (TruthfulQA's mc1_targets); ``None``: not so."""
    value = parse_list(value)
    if not isinstance(value, dict) or not isinstance(value.get("choices"), list):
        return None
    labels = value.get("labels")
    if not isinstance(labels, list) or len(labels) != len(value["choices"]) or labels.count(1) != 1:
        return None
    return labels.index(1)


def convert(row: SourceRow, mapping: JsonObject) -> Row:
    """The question with its choices below it; the answer is the letter and the text of the right one.

    Raises:
        ValueError: no choices, or an answer that is none of them.
        LeftOut: the row does not say which choice is right.
    """
    column = mapping.get("choices", [])
    if "distractors" in mapping:
        choices = list(zip(ascii_uppercase, mix(row, mapping), strict=False))
    else:
        choices = _get_choices(row, column)
    if isinstance(column, list) and column:
        for name in column[: max(2, *(place for place, name in enumerate(column, 1) if get_optional(row, name)), 0)]:
            get_text(row, name)  # an empty one in front of another is an error that names it
    if not choices:
        raise ValueError(f"column '{column}' holds no list of choices")
    question = get_text(row, mapping["prompt"])
    if "context" in mapping and (context := read_context(row, mapping["context"])):
        question = f"{context}\n\n{question}"
    prompt_text = question + "\n\n" + "\n".join(f"{mark}. {text}" for mark, text in choices)
    answer = _find_answer(row.get(mapping["completion"]), choices, mapping["completion"], mapping.get("first_number"))
    if "explanation" in mapping and (why := get_optional(row, mapping["explanation"])):
        answer = f"{answer}\n\n{why}"
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    messages = put_system([{"role": "user", "content": prompt_text}], system)
    return {"messages": [*messages, {"role": "assistant", "content": answer}]}


def _get_choices(row: SourceRow, column: str | list[str]) -> list[tuple[str, str]]:
    """(letter, text) of each choice of a row; of several columns those that are filled."""
    if not isinstance(column, list):
        return _read_choices(row.get(column))
    cells = [(mark, get_optional(row, name)) for mark, name in zip(ascii_uppercase, column, strict=False)]
    return [(mark, text) for mark, text in cells if text and text.strip()]


def _find_answer(value: Any, choices: list[tuple[str, str]], column: str, first_number: str | None) -> str:
    """The right choice with its letter; a text that is none of the choices (an explanation) as it stands."""
    if (place := _get_marked(value)) is not None:
        return f"{choices[place][0]}. {choices[place][1]}"
    if value is None or value == "" or value == -1:
        raise LeftOut(f"column '{column}' does not say which choice is right")
    text = to_text(value).strip()
    by_mark = {mark.casefold(): number for number, (mark, _) in enumerate(choices)}
    texts = [choice.strip() for _, choice in choices]
    letter = text.strip("().:").casefold()
    both = re.fullmatch(r"\(?(\w{1,2})\s?[).:]\s*(.+)", text, re.DOTALL)  # B. iron
    index = _read_number(value)
    several = [part.strip().casefold() for part in re.split(r"[,;/&+]|\band\b", text)] if text not in texts else []
    if len(several) > 1 and all(part in by_mark or _read_number(part) is not None for part in several):
        raise ValueError(f"column '{column}' is {text}: several choices are right, and one is learnt")
    if index is not None and first_number is not None:
        number = index - int(first_number)
        if not 0 <= number < len(choices):
            raise ValueError(
                f"column '{column}' is {text}, which is none of the {len(choices)} choices, counted from {first_number}"
            )
    elif text in texts:
        number = texts.index(text)
    elif letter in by_mark:
        number = by_mark[letter]
    elif both and both[2].strip() in texts and by_mark.get(both[1].casefold()) == texts.index(both[2].strip()):
        number = texts.index(both[2].strip())
    elif index is not None and index < len(choices):
        number = index
    elif text.casefold() in (folded := [choice.casefold() for choice in texts]):
        number = folded.index(text.casefold())
    elif len(text) > 2:
        return to_text(value)
    else:
        raise ValueError(f"column '{column}' is {text}, which is none of the {len(choices)} choices")
    return f"{choices[number][0]}. {choices[number][1]}"

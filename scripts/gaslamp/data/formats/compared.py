"""Two answers to one prompt and a column that says which is better.

Chatbot arena, SHP, PKU, WebGPT, HelpSteer's preferences.

The column may name the better one (``model_a``, ``A``, ``response_1``, ``1``), be a flag of its own for each
(``winner_model_a``), or give each answer a score. Ties are left out.
"""

from __future__ import annotations

import re
from typing import Any

from gaslamp.data.cells import find_column, first_value, get_optional, parse_list, to_text
from gaslamp.data.prompts import drop_marks, put_system, read_answer, read_prompt
from gaslamp.data.rows import LeftOut, Message, Row, SourceRow
from gaslamp.data.turns import is_turns

KIND = "preference"
ORDER = 12
EXAMPLE = '{"prompt": "2 + 2?", "response_a": "4", "response_b": "5", "winner": "a"}'
REQUIRED = ("first", "second")
OPTIONAL = ("prompt", "system", "winner", "better", "first_score", "second_score")
PROMPTS = ("prompt", "question", "query", "instruction", "history", "post", "input", "context", "problem")
STEMS = (
    "response",
    "answer",
    "completion",
    "output",
    "conversation",
    "human_ref",
    "reply",
    "generation",
    "text",
    "candidate",
    "summary",
)
MARKS = (("a", "b"), ("1", "2"), ("0", "1"), ("left", "right"))
WINNERS = (
    "winner",
    "preference",
    "preferred",
    "better",
    "better_response_id",
    "safer_response_id",
    "overall_preference",
    "preference_strength",
    "human_preference",
    "chosen",
    "choice",
    "label",
    "labels",
    "vote",
    "selected",
    "best",
)
SCORES = ("score", "rating", "reward", "votes")
TIES = (
    "tie",
    "ties",
    "both",
    "neither",
    "same",
    "equal",
    "draw",
    "tie (bothbad)",
    "both_bad",
    "bothbad",
    "none",
    "unentschieden",
)


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """Two answers that are numbered or lettered alike, and what says which is better."""
    pair = _find_pair(columns, STEMS)
    if not pair:
        return None
    first, second, marks = pair
    turns = is_turns(first_value(rows, first))
    prompt = find_column([column for column in columns if column not in (first, second)], PROMPTS)
    if not prompt and not turns:
        return None
    mapping = {"first": first, "second": second} | ({"prompt": prompt} if prompt and not turns else {})
    if winner := find_column([column for column in columns if column not in mapping.values()], WINNERS):
        mapping["winner"] = winner
        values = {_clean(row[winner]) for row in rows if row.get(winner) is not None}
        if numbers := {value for value in values if re.fullmatch(r"-?\d+(\.0)?", value)}:
            mapping["better"] = _explain_numbers(numbers, marks, winner)
    elif scores := _find_pair(columns, SCORES, (first, second)) or _find_flags(columns):
        mapping |= {"first_score": scores[0], "second_score": scores[1]}
    else:
        return None
    if system := find_column(columns, ("system", "system_prompt")):
        mapping["system"] = system
    return mapping


def _find_pair(
    columns: list[str], stems: tuple[str, ...], taken: tuple[str, ...] = ()
) -> tuple[str, str, tuple[str, str]] | None:
    free = [column for column in columns if column not in taken]
    for stem in stems:
        for marks in MARKS:
            for pattern in ("{stem}_{mark}", "{stem}{mark}", "{mark}_{stem}"):
                found = [find_column(free, (pattern.format(stem=stem, mark=mark),)) for mark in marks]
                if found[0] and found[1]:
                    return found[0], found[1], marks
    return None


def _find_flags(columns: list[str]) -> tuple[str, str, tuple[str, str]] | None:
    """lmsys: a column of 0 and 1 for each side."""
    for marks in MARKS:
        found = [find_column(columns, (f"winner_model_{mark}", f"winner_{mark}")) for mark in marks]
        if found[0] and found[1]:
            return found[0], found[1], marks
    return None


def _explain_numbers(numbers: set[str], marks: tuple[str, str], winner: str) -> str:
    """Which number says that the first answer is better: ``0``, ``1``, or ``below 0`` for HelpSteer's strengths."""
    if any(number.startswith("-") for number in numbers):
        return "below 0"
    if winner.lower() == "labels":
        return "1"  # SHP: 1 when the first is better, 0 when the second is
    if "0" in marks or "0" in numbers or "0.0" in numbers:
        return "0"  # the index of the better one
    return "1"


def _clean(value: Any) -> str:
    return to_text(value).strip().casefold().removesuffix(".0")


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """Prompt, and the better and the worse answer.

    Raises:
        LeftOut: the answers are equally good.
        ValueError: it does not say which is better, or the two conversations do not share their prompt.
    """
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    first, second = (
        read_answer(row.get(mapping["first"]), mapping["first"]),
        read_answer(row.get(mapping["second"]), mapping["second"]),
    )
    prompt: list[Message] = _read_prompt(row, mapping["prompt"], system) if "prompt" in mapping else []
    shared = 0
    while shared < min(len(first), len(second)) - 1 and first[shared] == second[shared]:
        shared += 1
    if not prompt:
        prompt, first, second = put_system(first[:shared], system) if shared else [], first[shared:], second[shared:]
    if not prompt:
        raise ValueError(f"columns '{mapping['first']}' and '{mapping['second']}' do not begin with the same prompt")
    good, bad = (first, second) if _is_first_better(row, mapping) else (second, first)
    return {"prompt": drop_marks(prompt), "chosen": drop_marks(good, "chosen"), "rejected": drop_marks(bad, "rejected")}


def _read_prompt(row: SourceRow, column: str, system: str | None) -> list[Message]:
    value = parse_list(row.get(column))
    if isinstance(value, dict) and isinstance(value.get("full_text"), str):  # WebGPT's question
        return read_prompt({column: value["full_text"]}, column, system)
    return read_prompt(row, column, system)


def _is_first_better(row: SourceRow, mapping: dict[str, str]) -> bool:
    if "winner" not in mapping:
        one, two = (row.get(mapping[role]) for role in ("first_score", "second_score"))
        if not isinstance(one, int | float) or not isinstance(two, int | float):
            raise ValueError(f"columns '{mapping['first_score']}' and '{mapping['second_score']}' hold no two numbers")
        if one == two:
            raise LeftOut("both answers have the same score")
        return one > two
    column = mapping["winner"]
    value = row.get(column)
    text = "" if value is None else _clean(value)
    if not text or text in TIES or text.startswith("tie"):
        raise LeftOut(f"column '{column}' says that no answer is better")
    if isinstance(value, bool):
        return value
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return _is_first_by_number(float(text), mapping, column)
    for side, better in (("first", True), ("second", False)):
        name = mapping[side].casefold()
        mark = re.split(r"[_\s-]", name)[-1]
        if (
            text in (name, mark, side)
            or re.split(r"[_\s-]", text)[-1] == mark
            or text.rstrip(".") == to_text(row[mapping[side]]).casefold()
        ):
            return better
    for column_of, better in ((f"model_{mark}", mark in "a1") for mark in "ab12"):
        if isinstance(row.get(column_of), str) and row[column_of].casefold() == text:
            return better
    raise ValueError(
        f"column '{column}' is {value!r}, which names neither '{mapping['first']}' nor '{mapping['second']}'"
    )


def _is_first_by_number(number: float, mapping: dict[str, str], column: str) -> bool:
    better = mapping.get("better", "1")
    if better == "below 0":
        if number == 0:
            raise LeftOut(f"column '{column}' says that no answer is better")
        return number < 0
    return number == float(better)

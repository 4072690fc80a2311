"""The right answer of a question among wrong ones that have columns of their own (SciQ, GPQA, trivia)."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import find_column, first_value, get_text, parse_list, to_text
from gaslamp.data.rows import SourceRow

WRONG = ("distractors", "incorrect_answers", "wrong_answers", "incorrect_options", "wrong_options")
"""Lists of wrong choices, next to the right one."""
WRONG_ONES = re.compile(
    r"(distractor|incorrect(_answer|_option)?|wrong(_answer|_option)?|falsche_antwort|false_answer)_?\d"
)
"""A column for each of them (SciQ, GPQA)."""
RIGHT = ("correct_answer", "correct", "correct_option", "right_answer", "best_answer", "answer", "richtige_antwort")
EXPLANATIONS = ("explanation", "exp", "rationale", "reasoning", "reason", "reasons", "cot", "support", "justification")


def find_wrong(columns: list[str], rows: list[SourceRow]) -> str | list[str] | None:
    """The column of wrong choices, or those of one each; ``None`` where there are no two."""
    column = find_column(columns, WRONG)
    if column and isinstance(parse_list(first_value(rows, column)), list):
        return column
    found = [name for name in columns if WRONG_ONES.fullmatch(name.strip().lower().replace(" ", "_"))]
    return found if len(found) > 1 else None


def read_distractors(
    columns: list[str], rows: list[SourceRow], prompt: str, wrong: str | list[str]
) -> list[tuple[str, JsonObject, str]]:
    """The readings of a question with its right answer and wrong ones."""
    names = wrong if isinstance(wrong, list) else [wrong]
    free = [column for column in columns if column not in (prompt, *names)]
    right = find_column(free, RIGHT)
    if not right:
        return []
    base: dict[str, Any] = {"prompt": prompt, "distractors": wrong, "completion": right}
    context = find_column(free, ("contexts", "context", "passage", "article", "premise"))
    base |= {"context": context} if context else {}
    named = f"'{right}' is right, {' and '.join(repr(name) for name in names)} wrong: in an order drawn for each row"
    why = find_column([column for column in free if column != right], EXPLANATIONS)
    if not why or not first_value(rows, why):
        return [("choices", base, named)]
    return [
        ("answer and explanation", {**base, "explanation": why}, f"{named}; '{why}' stands below the answer"),
        ("answer", base, named),
    ]


def mix(row: SourceRow, mapping: JsonObject) -> list[str]:
    """The right choice among the wrong ones, in an order that its question decides."""
    column = mapping["distractors"]
    cells = parse_list(row.get(column)) if isinstance(column, str) else [row.get(name) for name in column]
    wrong = [to_text(cell).strip() for cell in cells or () if cell not in (None, "")]
    right = get_text(row, mapping["completion"]).strip()
    if not wrong or right in wrong:
        raise ValueError(
            f"column '{mapping['completion']}' is one of the wrong choices" if wrong else "the row has no wrong choices"
        )
    question = get_text(row, mapping["prompt"])
    return sorted([right, *wrong], key=lambda text: blake2b(f"{question}\0{text}".encode()).digest())

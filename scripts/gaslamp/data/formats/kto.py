"""Ratings: one answer to a prompt, and whether it is good: true / false, thumbs, words, or a number over a threshold.

Numbers are good from the middle of the scale on which the first rows stand (stars 1 to 5: from 4); data.columns:
{threshold: "8"} sets another.
"""

from __future__ import annotations

from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import find_column, first_value, parse_list
from gaslamp.data.comparing import SYSTEM, WITH_INPUT, read_question, read_row_tools, trim_continued
from gaslamp.data.formats.prompt_completion import CONTEXTS, QUESTIONS
from gaslamp.data.judgements import is_good, is_verdict
from gaslamp.data.passages import is_context
from gaslamp.data.prompts import check_marks, drop_marks, read_answer, read_prompt, read_system
from gaslamp.data.rows import Row, SourceRow
from gaslamp.data.several import TAKE, take_answer
from gaslamp.data.turns import is_turns
from gaslamp.data.verdicts import get_rating

KIND = "rating"
ORDER = 20
EXAMPLE = '{"prompt": "2 + 2?", "completion": "4", "label": true}'
REQUIRED = ("completion", "label")
INSTEAD = (("messages", "label"),)
OPTIONAL = ("prompt", "messages", "system", "input", "tools", "context", "threshold", "good_if", "take")
READ_ANYWAY = ("system", "tools")
SEVERAL = ("prompt",)
LABELS = (
    "label",
    "kto_tag",
    "thumbs",
    "thumbs_up",
    "feedback",
    "vote",
    "is_good",
    "liked",
    "rating",
    "score",
    "stars",
    "desirable",
    "user_feedback",
    *("is_safe", "is_helpful", "is_correct", "is_accepted", "accepted", "approved", "helpful"),
)
PROMPTS = (
    "prompt",
    "instruction",
    "question",
    "query",
    "chosen",
)  # the last is Axolotl's, for the turns before the answer
ANSWERS = ("completion", "response", "answer", "output", "generation")
TURNS = ("messages", "conversations", "conversation", "completion")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """An answer and a column that says good or bad: booleans, words such as up and down, or numbers on a scale."""
    prompt, answer, turns = find_column(columns, PROMPTS), find_column(columns, ANSWERS), find_column(columns, TURNS)
    if (
        turns
        and is_turns(first_value(rows, turns))
        and len(parse_list(first_value(rows, turns))) > 1
        and not (prompt and turns == answer)
    ):
        mapping = {"messages": turns}
    elif prompt and answer:
        mapping = {"prompt": prompt, "completion": answer}
    else:
        return None
    named = [column for name in LABELS if (column := find_column(columns, (name,))) not in (None, *mapping.values())]
    found = next((rated for column in named if column and (rated := _rate(column, rows))), None)
    if not found:
        return None
    mapping |= found
    if system := find_column(columns, SYSTEM):
        mapping["system"] = system
    context = find_column([column for column in columns if column not in mapping.values()], CONTEXTS)
    if context and "prompt" in mapping and str(prompt).lower() in QUESTIONS and is_context(first_value(rows, context)):
        mapping["context"] = context
    if prompt and prompt.lower() in WITH_INPUT and (extra := find_column(columns, ("input",))):
        mapping["input"] = extra
    return mapping


def _rate(label: str, rows: list[SourceRow]) -> dict[str, str] | None:
    """A column as the rating, with a threshold where it holds numbers; ``None`` when most of its cells are neither."""
    values = [row[label] for row in rows if row.get(label) is not None]
    numbers = [number for value in values if (number := get_rating(value)) is not None]
    if 2 * sum(map(is_verdict, values)) > len(values):  # the others are errors of their rows
        return {"label": label}
    return {"label": label, "threshold": guess_threshold(numbers)} if 2 * len(numbers) > len(values) else None


def guess_threshold(values: list[Any]) -> str:
    """The lowest number that counts as good: 0.5 on 0..1, 3 on 0..4, 4 on 1..5, 6 on 0..10, 12 on 0..20, 50 on 0..100.

    Above 0 when there are negative ones.
    """
    numbers = [number for value in values if (number := get_rating(value)) is not None]
    top = max(numbers, default=1.0)
    if min(numbers, default=0.0) < 0:
        return "0.000001"
    if top == 4 and min(numbers) == 0:  # HelpSteer's 0 to 4
        return "3"
    return next(
        (str(limit) for scale, limit in ((1, 0.5), (5, 4), (10, 6), (20, 12), (100, 50)) if top <= scale), str(top / 2)
    )


def convert(row: SourceRow, mapping: JsonObject) -> Row:
    """Prompt and completion as messages, and the label.

    Raises:
        LeftOut: the answer is not rated.
        ValueError: a cell is missing, or the label is neither good nor bad.
    """
    column = mapping["label"]
    if column not in row:
        raise ValueError(f"column '{column}' is missing")
    label = is_good(row[column], column, mapping)
    if "messages" in mapping:
        turns = read_prompt(row, mapping["messages"], read_system(row, mapping.get("system", "system")))
        if len(turns) < 2 or turns[-1]["role"] != "assistant":
            raise ValueError(f"column '{mapping['messages']}' does not end with the answer that is rated")
        prompt, completion, name = turns[:-1], turns[-1:], mapping["messages"]
    else:
        name = mapping["completion"]
        value = take_answer(row.get(name), name, mapping[TAKE]) if TAKE in mapping else row.get(name)
        completion = trim_continued(read_answer(value, name), row, mapping)
        prompt = read_question(row, mapping)
        if not prompt:
            raise ValueError(f"column '{mapping['prompt']}' is empty or missing")
    result: Row = {"prompt": drop_marks(prompt), "completion": check_marks(completion, name), "label": label}
    if tools := read_row_tools(row, mapping):
        result["tools"] = tools
    return result

"""Ratings: one answer to a prompt, and whether it is good: true / false, thumbs, words, or a number over a threshold.

Numbers are good from the middle of the scale on which the first rows stand (stars 1 to 5: from 4); data.columns:
{threshold: "8"} sets another.
"""

from __future__ import annotations

from typing import Any

from gaslamp.data.cells import find_column, first_value, get_optional, parse_list
from gaslamp.data.prompts import drop_marks, read_answer, read_prompt
from gaslamp.data.rows import Row, SourceRow
from gaslamp.data.turns import is_turns

KIND = "rating"
ORDER = 20
EXAMPLE = '{"prompt": "2 + 2?", "completion": "4", "label": true}'
REQUIRED = ("completion", "label")
OPTIONAL = ("prompt", "messages", "system", "input", "threshold")
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
GOOD = {
    "true",
    "1",
    "1.0",
    "yes",
    "y",
    "good",
    "up",
    "thumbs_up",
    "thumbs up",
    "thumbsup",
    "like",
    "liked",
    "positive",
    "accept",
    "accepted",
    "desirable",
    "+1",
    "+",
    "👍",
}
BAD = {
    "false",
    "0",
    "0.0",
    "no",
    "n",
    "bad",
    "down",
    "thumbs_down",
    "thumbs down",
    "thumbsdown",
    "dislike",
    "disliked",
    "negative",
    "reject",
    "rejected",
    "undesirable",
    "-1",
    "-",
    "👎",
}


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """An answer and a column that says good or bad: booleans, words such as up and down, or numbers on a scale."""
    label = find_column(columns, LABELS)
    if not label:
        return None
    prompt, answer, turns = find_column(columns, PROMPTS), find_column(columns, ANSWERS), find_column(columns, TURNS)
    if (
        turns
        and is_turns(first_value(rows, turns))
        and len(parse_list(first_value(rows, turns))) > 1
        and not (prompt and turns == answer)
    ):
        mapping = {"messages": turns, "label": label}
    elif prompt and answer:
        mapping = {"prompt": prompt, "completion": answer, "label": label}
    else:
        return None
    values = [row[label] for row in rows if row.get(label) is not None]
    numbers = [number for value in values if (number := _get_number(value)) is not None]
    if 2 * sum(map(_is_verdict, values)) > len(values):  # the others are errors of their rows
        pass
    elif 2 * len(numbers) > len(values):
        mapping["threshold"] = guess_threshold(numbers)
    else:
        return None
    if system := find_column(columns, ("system", "system_prompt")):
        mapping["system"] = system
    if prompt and prompt.lower() == "instruction" and (extra := find_column(columns, ("input",))):
        mapping["input"] = extra
    return mapping


def _is_verdict(value: Any) -> bool:
    return isinstance(value, bool) or str(value).strip().lower() in GOOD | BAD


def _get_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def guess_threshold(values: list[Any]) -> str:
    """The lowest number that counts as good: 0.5 on 0..1, 4 on 1..5, 6 on 0..10, 50 on 0..100.

    Above 0 when there are negative ones.
    """
    numbers = [number for value in values if (number := _get_number(value)) is not None]
    top = max(numbers)
    if min(numbers) < 0:
        return "0.000001"
    return next((str(limit) for scale, limit in ((1, 0.5), (5, 4), (10, 6), (100, 50)) if top <= scale), str(top / 2))


def read_label(value: object, column: str, threshold: str | None) -> bool:
    """A rating as true or false.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, bool):
        return value
    if threshold is not None:
        number = _get_number(value)
        if number is None or number != number:
            raise ValueError(f"column '{column}' holds {value!r}, no number to compare with {threshold}")
        return number >= float(threshold)
    text = str(value).strip().lower()
    if text in GOOD:
        return True
    if text in BAD:
        return False
    raise ValueError(
        f"column '{column}' holds {value!r}: neither good nor bad (true / false, thumbs, or set data.columns: "
        f"{{threshold: ...}})"
    )


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """Prompt and completion as messages, and the label."""
    column = mapping["label"]
    if row.get(column) is None:
        raise ValueError(f"column '{column}' is empty or missing")
    label = read_label(row[column], column, mapping.get("threshold"))
    system = get_optional(row, mapping.get("system", "system"))
    if "messages" in mapping:
        turns = read_prompt(row, mapping["messages"], system)
        if len(turns) < 2 or turns[-1]["role"] != "assistant":
            raise ValueError(f"column '{mapping['messages']}' does not end with the answer that is rated")
        return {
            "prompt": drop_marks(turns[:-1]),
            "completion": drop_marks(turns[-1:], mapping["messages"]),
            "label": label,
        }
    prompt = read_prompt(row, mapping["prompt"], system)
    extra = get_optional(row, mapping["input"]) if "input" in mapping else None
    if extra:
        prompt[-1] = {**prompt[-1], "content": f"{prompt[-1]['content']}\n\n{extra}"}
    completion = read_answer(row.get(mapping["completion"]), mapping["completion"])
    return {"prompt": drop_marks(prompt), "completion": drop_marks(completion, mapping["completion"]), "label": label}

"""Prompts whose answers rewards score (GRPO and its family), with the answer that a reward may compare with, if any."""

from __future__ import annotations

from gaslamp.data.cells import find_column, first_value, get_optional, get_text, parse_list, to_text
from gaslamp.data.passages import is_context, put_context
from gaslamp.data.prompts import drop_marks, read_prompt
from gaslamp.data.rows import Row, SourceRow
from gaslamp.data.several import TAKE, take_answer
from gaslamp.data.turns import is_turns

KIND = "prompt"
ORDER = 80
EXAMPLE = '{"prompt": "What is 17 * 3?"}'
REQUIRED = ("prompt",)
OPTIONAL = ("answer", "system", "context", "take")
READ_ANYWAY = ()
SEVERAL = ("prompt",)
PROMPTS = ("prompt", "problem", "question", "query", "instruction", "task")
VERIFIERS = (
    "ground_truth",
    "final_answer",
    "expected_answer",
    "reward_model",
)  # such a column says that answers are checked
ANSWERS = (
    "answer",
    "final_answer",
    "ground_truth",
    "gold",
    "target",
    "label",
    "expected_answer",
    "reward_model",
    "solution",
    "completion",
    "response",
    "output",
)
GOLD = ("ground_truth", "expected_answer", "reward_model", "gold")
"""What is right whatever else stands in the row: an ``answer`` next to it is what some model wrote."""


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """A prompt, with or without an answer; a conversation without an answer counts too."""
    prompt = find_column(columns, PROMPTS)
    if not prompt or not (isinstance(first_value(rows, prompt), str) or is_turns(first_value(rows, prompt))):
        return None
    mapping = {"prompt": prompt}
    answer = find_column(columns, GOLD) or find_column(columns, ANSWERS)
    if answer:
        mapping["answer"] = answer
    if system := find_column(columns, ("system", "system_prompt")):
        mapping["system"] = system
    context = find_column(columns, ("contexts", "context", "passages", "passage", "documents"))
    if context and isinstance(first_value(rows, prompt), str) and is_context(first_value(rows, context)):
        mapping["context"] = context
    return mapping


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The prompt as messages and the answer as text; verl's reward_model column holds it as ground_truth."""
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    if isinstance(mapping["prompt"], str) and row.get(mapping["prompt"]) is None:
        get_text(row, mapping["prompt"])
    prompt = drop_marks(read_prompt(row, mapping["prompt"], system))
    prompt = put_context(prompt, row, mapping.get("context"))
    result: Row = {"prompt": prompt}
    value = row.get(mapping["answer"]) if "answer" in mapping else None
    if TAKE in mapping and "answer" in mapping:
        value = take_answer(value, mapping["answer"], mapping[TAKE])
    value = parse_list(value) if isinstance(value, str) and '"ground_truth"' in value else value
    if isinstance(value, dict) and "ground_truth" in value:
        value = value["ground_truth"]
    if value is not None:
        result["answer"] = to_text(value)
    return result

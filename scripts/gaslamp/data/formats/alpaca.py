"""Alpaca: instruction, optional input, output; earlier rounds in ``history``, a ``system`` column."""

from __future__ import annotations

from gaslamp.data.cells import find_column, get_optional, get_text
from gaslamp.data.passages import read_context
from gaslamp.data.prompts import read_history
from gaslamp.data.rows import Message, Row, SourceRow
from gaslamp.data.several import TAKE, take_answer
from gaslamp.data.transcripts import is_transcript, split_transcript

KIND = "conversation"
ORDER = 40
EXAMPLE = '{"instruction": "Translate to German", "input": "good morning", "output": "guten Morgen"}'
REQUIRED = ("instruction", "output")
OPTIONAL = ("input", "system", "history", "take")
READ_ANYWAY = ("input", "system", "history")
INPUTS = ("input", "context", "contexts", "inputs")
PROMPTS = ("question", "query", "prompt", "problem", "user")
OUTPUTS = ("output", "response", "revision", "completion", "answer", "outputs")

NO_INPUT = frozenset(("nan", "none", "null", "n/a", "na", "<noinput>", "noinput", "no input", "-", "."))
"""What stands where an instruction has no input: pandas' word for an empty cell, and those of Alpaca's rows."""


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """instruction and output (or response), with input when it is there."""
    instruction, output = find_column(columns, ("instruction",)), find_column(columns, OUTPUTS)
    if not instruction and find_column(columns, ("inputs", "input")):  # Super-NaturalInstructions
        instruction = find_column(columns, ("definition", "task_definition"))
        output = find_column(columns, ("targets", "target", "output", "outputs"))
    if not instruction or not output:
        return None
    mapping = {"instruction": instruction, "output": output}
    inputs = (*INPUTS, *PROMPTS)  # a question next to an instruction is what it is applied to
    for role, names in (("input", inputs), ("system", ("system", "system_prompt")), ("history", ("history",))):
        if found := find_column(columns, names):
            mapping[role] = found
    return mapping


def read_instruction(row: SourceRow, mapping: dict[str, str]) -> list[Message]:
    """The prompt: system, earlier rounds, the instruction with its input below it."""
    prompt = get_text(row, mapping["instruction"])
    column = mapping.get("input", "input")
    extra = get_optional(row, column) if column.lower().startswith("input") else read_context(row, column)
    if extra and extra.strip().casefold() not in NO_INPUT:
        prompt = f"{prompt}\n\n{extra}"
    messages: list[Message] = []
    if system := get_optional(row, mapping.get("system", "system")):
        messages.append({"role": "system", "content": system})
    column = mapping.get("history", "history")
    messages += read_history(row.get(column), column)
    if is_transcript(prompt):  # Human: ... Assistant: (BELLE's talks)
        return [*messages, *split_transcript(prompt)]
    return [*messages, {"role": "user", "content": prompt}]


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """One user turn (instruction, then input below it) and the answer."""
    if TAKE in mapping:
        row = {**row, mapping["output"]: take_answer(row.get(mapping["output"]), mapping["output"], mapping[TAKE])}
    return {
        "messages": [
            *read_instruction(row, mapping),
            {"role": "assistant", "content": get_text(row, mapping["output"])},
        ]
    }

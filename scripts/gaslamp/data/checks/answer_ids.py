"""Answers that are numbers of rows or keys of a database: the wrong column is learnt."""

import re
from collections.abc import Iterable, Iterator, Sequence

from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.rows import get_prompt, get_reference, get_text
from gaslamp.data.spread import spread_rows

TITLE = "answers that look like ids"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "set"
FIX = "name the column of the answer in data.columns (make data-describe lists all columns)"
KINDS = ("conversation", "prompt")
ENOUGH = 30  # rows
MOSTLY = 0.95
KEY = re.compile(r"(?=.*\d)(?=.*[a-f])[0-9a-f]{8,}(?:-[0-9a-f]{4,}){0,4}", re.IGNORECASE)
NUMBER = re.compile(r"(\D{0,12})(\d{1,12})")


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """One finding when nearly all answers are keys, or numbers that count up from row to row."""
    if facts.kind not in KINDS:
        return
    rows = [sample for sample in spread_rows(samples, facts.shared) if get_reference(sample.row)]
    answers = [(get_reference(sample.row) or "").strip() for sample in rows]
    if len(rows) < ENOUGH or len(set(answers)) < MOSTLY * len(rows):
        return
    kind = "keys" if sum(bool(KEY.fullmatch(text)) for text in answers) > MOSTLY * len(rows) else ""
    if not kind and counts_up(answers):
        kind = "numbers that count up from row to row"
    if not kind:
        return
    prompts = ("\n".join(map(get_text, get_prompt(sample.row))) for sample in rows)
    known = [text if kind == "keys" else str(get_number(text)) for text in answers]
    copied = sum(text in prompt for text, prompt in zip(known, prompts, strict=True))
    if copied < 0.1 * len(rows):  # else they can be read there
        yield Finding("all rows", f"they are {kind} and stand in no prompt: {', '.join(map(repr, answers[:3]))} ...")


def counts_up(answers: Sequence[str]) -> bool:
    """Whether answers are numbers with one word in front at most, each higher than the one before, mostly by 1."""
    found = [NUMBER.fullmatch(text) for text in answers]
    if not all(found) or len({match.group(1) for match in found if match}) > 1:
        return False
    numbers = [get_number(text) for text in answers]
    steps = [after - before for before, after in zip(numbers, numbers[1:], strict=False)]
    return min(steps) > 0 and sum(step == 1 for step in steps) > len(steps) / 2


def get_number(text: str) -> int:
    """``17`` of ``ORD-00017``."""
    match = NUMBER.fullmatch(text)
    return int(match.group(2)) if match else 0

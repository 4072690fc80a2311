"""What the data card says of the rows on disk, besides counts and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gaslamp.data.checking import Sample
from gaslamp.data.rows import get_prompt, get_reference
from gaslamp.data.spool import Spool


def get_split_warnings(spool: Spool) -> list[str]:
    """Sentences about few, dropped or repeated rows, and about test rows taken from training."""
    warnings = []
    if spool.test_from_train:
        warnings.append(
            f"the source has no test rows: {spool.test_from_train} of its training rows are the test split "
            "(data.split.test is their share)"
        )
    if spool.dropped:
        warnings.append(
            f"{spool.dropped} test rows over data.split.max_test were left out; lower data.split.test to train on them"
        )
    if spool.counts["test"] < 50:
        count = spool.counts["test"]
        warnings.append(f"only {count} test row{'' if count == 1 else 's'}: scores will have wide intervals")
    if spool.duplicates:
        warnings.append(f"{spool.duplicates} exact duplicate{' was' if spool.duplicates == 1 else 's were'} left out")
    return warnings


def get_shared_system(spool: Spool) -> str | None:
    """The system prompt that all test rows share, or None; with data.system_as_user, that all rows share."""
    if spool.systems:
        return next(iter(spool.systems)) if len(spool.systems) == 1 else None

    def get_system(sample: Sample) -> Any:
        turns = get_prompt(sample.row)
        return (
            turns[0]["content"]
            if turns and turns[0]["role"] == "system" and isinstance(turns[0]["content"], str)
            else None
        )

    prompts = {get_system(sample) for sample in spool.read("test")}
    return prompts.pop() if len(prompts) == 1 else None


def get_answer_kind(spool: Spool) -> Any:
    """``json`` when every reference answer of the test rows is a JSON object or list, else ``text``."""
    import orjson

    def is_json(text: str) -> bool:
        try:
            return isinstance(orjson.loads(text), dict | list)
        except orjson.JSONDecodeError:
            return False

    def get_answers() -> Iterator[str]:
        return (answer for sample in spool.read("test") if (answer := get_reference(sample.row)) is not None)

    return "json" if any(True for _ in get_answers()) and all(map(is_json, get_answers())) else "text"

"""What the data card says of the rows on disk, besides counts and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal

from gaslamp.data.checking import Sample
from gaslamp.data.conversion import SPLITS
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

    def get_system(sample: Sample) -> str | None:
        turns = get_prompt(sample.row)
        return (
            turns[0]["content"]
            if turns and turns[0]["role"] == "system" and isinstance(turns[0]["content"], str)
            else None
        )

    prompts = {get_system(sample) for sample in spool.read("test")}
    return prompts.pop() if len(prompts) == 1 else None


MOST_CLASSES = 20
LONGEST_CLASS = 60  # letters


def count_classes(spool: Spool, kind: str, added: int = 0) -> dict[str, dict[str, int]]:
    """How often each answer stands in each split, where the answers are classes: a few short ones; else empty.

    Args:
        spool: all rows.
        kind: of the rows; ratings are classes too.
        added: rows of general chat data at the end of the training rows, which are none of the task.
    """
    counts: dict[str, dict[str, int]] = {}
    total = 0
    for split in SPLITS:
        for sample in islice(spool.read(split), spool.counts[split] - (added if split == "train" else 0)):
            if kind == "rating":
                name: str | None = "good" if sample.row["label"] else "bad"
            else:
                name = get_reference(sample.row) if kind in ("conversation", "prompt") else None
            if name is None or len(name) > LONGEST_CLASS:
                return {}
            counts.setdefault(name, dict.fromkeys(SPLITS, 0))[split] += 1
            total += 1
            if len(counts) > MOST_CLASSES:
                return {}
    return dict(sorted(counts.items(), key=lambda item: -sum(item[1].values()))) if 3 * len(counts) <= total else {}


def describe_classes(classes: dict[str, dict[str, int]]) -> str:
    """The counts of classes in one line: ``billing 40 + 2 + 6 (train + valid + test), ...``."""
    if not classes:
        return ""
    named = [f"{name} {' + '.join(str(counts[split]) for split in SPLITS)}" for name, counts in classes.items()]
    return f"answers by split ({' + '.join(SPLITS)}): {', '.join(named)}"


def describe_rows(rows: dict[str, int]) -> str:
    """What became of the rows of the source, so that the numbers add up: ``60 rows read: 52 train, 2 valid, 6 test``.

    Args:
        rows: of the card.
    """
    added, by_hand = rows.get("rehearsal", 0), rows.get("kept", 0)
    own = {**{split: rows[split] for split in SPLITS}, "train": rows["train"] - added, "test": rows["test"] - by_hand}
    left = max(0, rows["read"] - sum(own.values()))  # a pair may become two rows
    duplicates = min(left, rows["dropped_duplicates"])
    parts = [f"{count} {split}" for split, count in own.items()]
    parts += [f"{duplicates} exact duplicates left out"] * (duplicates > 0)
    replaced = min(left - duplicates, rows.get("replaced", 0))
    others = left - duplicates - replaced
    parts += [f"{replaced} replaced by hand"] * (replaced > 0)
    parts += [f"{others} others left out"] * (others > 0)
    added_rows = {"labelled": "written or corrected by hand", "generated": "generated"}
    parts += [f"{rows[name]} of them {what}" for name, what in added_rows.items() if rows.get(name)]
    text = f"{rows['read']} rows read: {', '.join(parts)}"
    more = [f"{added} rows of general chat data to train"] * (added > 0) + [f"{by_hand} kept by hand to test"] * (
        by_hand > 0
    )
    return f"{text}; added: {', '.join(more)}" if more else text


def get_answer_kind(spool: Spool) -> Literal["json", "text"]:
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

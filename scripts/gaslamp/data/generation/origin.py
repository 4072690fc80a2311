"""Which of the rows in data/ a model wrote, and what that means for the score."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from gaslamp.core.files import JsonObject
from gaslamp.data.conversion import SPLITS
from gaslamp.data.generation.facts import MARK, Selection
from gaslamp.data.rows import Row
from gaslamp.data.spool import Spool


@dataclass
class Origin:
    """Facts for the card, and warnings."""

    facts: JsonObject
    warnings: list[str] = field(default_factory=list)


def is_generated(row: Row) -> bool:
    """Whether a model wrote the row, as it stands in data/*.jsonl."""
    return MARK in (row.get("columns") or {})


def describe_origin(spool: Spool, selection: Path) -> Origin:
    """Count the generated rows of each split.

    Args:
        spool: the rows in their splits.
        selection: selection.json.
    """
    made = Selection.read(selection)
    counts = {
        split: sum(is_generated(sample.row) for sample in islice(spool.read(split), spool.counts[split]))
        for split in SPLITS
    }
    origin = Origin(
        {"model": made.model, "licence": made.licence, "edited": made.edited, "unseen": made.unseen, **counts},
        [
            f"{sum(counts.values())} rows were written by {made.model} (terms of its output: {made.licence})"
            + (f"; {made.edited} of them edited by hand" if made.edited else ""),
            *made.warnings,
        ],
    )
    if count := counts["test"]:
        origin.warnings.append(warn_of_test(count, spool.counts["test"], made.model))
    return origin


def warn_of_test(count: int, of: int, model: str) -> str:
    """The sentence for every page that shows a score against synthetic answers."""
    return (
        f"{count} of {of} test rows were written by {model}: the score says how well its answers are imitated, not "
        "whether they are right; write test rows of your own (make label)"
    )

"""Short sums from reasoning-gym, which also scores the answers: for GRPO and its family, whose rewards need a verifier.

Each row names the reasoning-gym task and carries the entry's metadata as JSON (columns ``task`` and ``metadata``), so
that the reward can hand the package exactly what it made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from gaslamp.core.errors import GaslampError
from gaslamp.data.embedded._draw import SPLITS
from gaslamp.data.rows import SourceRow

ROWS = "prompt"  # kind of its rows: the interview recommends a method for it
DESCRIPTION = "Sums of two numbers from reasoning-gym (chain_sum), with its verifier as reward"
TASK = "chain_sum"
OPTIONS = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2}


def generate(seed: int = 3407, n_train: int = 240, n_valid: int = 24, n_test: int = 64) -> Iterator[SourceRow]:
    """Yield ``{"prompt", "answer", "task", "metadata", "split"}`` in the order train, valid, test.

    No prompt occurs twice.

    Raises:
        GaslampError: reasoning-gym is not installed, or a size below 0.
    """
    if min(n_train, n_valid, n_test) < 0:
        raise GaslampError("the number of rows cannot be negative", "set n_train, n_valid and n_test to 0 or more")
    try:
        import reasoning_gym
    except ImportError as error:
        raise GaslampError(
            "embedded:sums_prompts needs the package reasoning-gym", "make setup, or: pip install reasoning-gym==0.1.25"
        ) from error

    counts = (n_train, n_valid, n_test)
    wanted = [split for split, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
    entries = reasoning_gym.create_dataset(TASK, seed=seed, size=4 * sum(counts) + 100, **OPTIONS)
    seen = set[str]()
    for index in range(len(entries)):
        entry = entries[index]
        if len(seen) == len(wanted):
            return
        if entry["question"] in seen:
            continue
        split = wanted[len(seen)]
        seen.add(entry["question"])
        yield {
            "prompt": entry["question"],
            "answer": entry["answer"],
            "task": TASK,
            "metadata": json.dumps(entry["metadata"]),
            "split": split,
        }
    if len(seen) < len(wanted):
        raise GaslampError(
            f"reasoning-gym gave {len(seen)} different questions, {len(wanted)} were asked for", "ask for fewer rows"
        )

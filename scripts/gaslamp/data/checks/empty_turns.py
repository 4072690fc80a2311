"""Turns that say nothing: a model that learns from an empty answer learns to say nothing."""

from collections.abc import Iterable, Iterator

from gaslamp.data.checking import Facts, Finding, Sample, get_unusual
from gaslamp.data.rows import KINDS, Row, get_images, get_text

TITLE = "empty turns"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "row"
DROPS = True
FIX = "fill in the turn, or delete the row"


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """User and assistant turns without text, picture or tool call, and empty texts of rows that have no turns."""
    for sample in get_unusual(samples):
        for place in find_empty(sample.row):
            yield Finding(sample.place, place)


def find_empty(row: Row) -> Iterator[str]:
    """What is empty in a row, as short phrases."""
    for keys in KINDS.values():
        for key in keys:
            value = row.get(key)
            if isinstance(value, str) and not value.strip():
                yield f"empty {key}"
            elif isinstance(value, list):
                for number, message in enumerate(value, 1):
                    if message["role"] in ("user", "assistant") and not (
                        message.get("tool_calls") or get_text(message).strip() or get_images([message])
                    ):
                        yield f"empty {message['role']} turn" + (
                            f" (turn {number} of {key})" if len(value) > 2 or key != "messages" else ""
                        )
        if all(key in row for key in keys):
            return

"""The completion is neither too short nor too long."""

from __future__ import annotations

from typing import Literal

from gaslamp.data.rows import Message, Row

TITLE = "of the right length"
EXAMPLE = {"completion": "three short words", "row": {}, "options": {"min": 2, "max": 5}, "score": 1.0}


def score(
    prompt: list[Message],
    completion: str,
    row: Row,
    min: int = 0,
    max: int | None = None,
    unit: Literal["words", "characters", "lines"] = "words",
    slack: float = 0.5,
) -> float:
    """1 from ``min`` to ``max``; outside it falls to 0 over ``slack`` times the border (0: at once)."""
    size = {
        "words": len(completion.split()),
        "characters": len(completion),
        "lines": len(completion.strip().splitlines()),
    }[unit]
    if max is not None and min > max:
        raise ValueError(f"min {min} is above max {max}")
    if size < min:
        return _fall(min - size, min * slack)
    return _fall(size - max, max * slack) if max is not None and size > max else 1.0


def _fall(over: float, room: float) -> float:
    return 1.0 - over / room if over < room else 0.0

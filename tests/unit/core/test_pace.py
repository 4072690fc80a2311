"""core/pace.py: the time that is left, on recorded streams of steps; it never jumps with a single step."""

from __future__ import annotations

import pytest
from gaslamp.core.pace import get_pace, get_remaining

STREAMS = {
    "even": [2.0] * 60,
    "a first step that compiles": [90.0] + [2.0] * 59,
    "one step in which the machine slept": [2.0] * 30 + [3600.0] + [2.0] * 29,
    "long rows every fourth step": [1.0, 1.0, 1.0, 5.0] * 15,
    "wobbles": [1.8, 2.2] * 30,
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_estimate_stays_near_what_the_rest_took(name: str) -> None:
    stream = STREAMS[name]
    usual = sorted(stream)[: len(stream) - 1]  # without the slowest
    mean = sum(usual) / len(usual)
    for done in range(8, 60):
        left = get_remaining(stream[:done], 60 - done)
        assert left is not None and 0.5 * mean * (60 - done) <= left <= 1.5 * mean * (60 - done), done


@pytest.mark.parametrize(("seconds", "pace"), [([], None), ([5.0, 1.0, 1.0], None), ([5.0, 1.0, 1.0, 1.0], 1.0)])
def test_nothing_is_said_before_three_steps_after_the_first(seconds: list[float], pace: float | None) -> None:
    assert get_pace(seconds) == pace


def test_measurements_that_are_to_come_count() -> None:
    assert get_remaining([1.0] * 10, 5, between=[3.0, 2.0, 40.0], pauses=2) == 5 + 2 * 3
    assert get_remaining([1.0] * 10, 0) == 0 and get_remaining([1.0], 5, [3.0], 2) is None

"""Points of a sweep that end early: which ones, when, and what is compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from gaslamp.core.events import Events
from gaslamp.train.history import History
from gaslamp.train.pruning import PRUNED, Curve, Pruner, read_curve, should_prune

GOOD = [Curve([4.0 - 0.3 * n + 0.01 * other for n in range(10)], True) for other in range(4)]
BAD, BETTER = [5.0 - 0.05 * n for n in range(10)], [3.8 - 0.3 * n for n in range(10)]


@pytest.mark.parametrize("name", ["median", "percentile", "successive_halving", "hyperband"])
def test_a_hopeless_point_ends_and_the_best_one_never(name: str) -> None:
    ends = [count for count in range(1, 11) if should_prune(name, GOOD, BAD[:count])]
    assert ends and ends[0] >= 3, "never within the first two measurements"
    assert not any(should_prune(name, GOOD, BETTER[:count]) for count in range(1, 11))


def test_few_others_end_nothing() -> None:
    assert not any(should_prune("median", GOOD[:2], BAD[:count]) for count in range(1, 11))
    assert not any(should_prune("hyperband", [], BAD[:count]) for count in range(1, 11))


def write_curve(file: Path, losses: list[float], status: str = "completed", reason: str = "", every: int = 5) -> Path:
    events = Events(file, "key")
    events.write("start")
    for place, loss in enumerate([9.0, *losses]):
        events.write("eval", step=place * every, valid_loss=loss)
    events.write("end", status=status, step=len(losses) * every, reason=reason)
    return file


def test_only_trainings_that_have_ended_are_compared(tmp_path: Path) -> None:
    """The measurement before the first step is none of them, and one that a pruner ended did not go through."""
    assert read_curve(tmp_path / "missing.jsonl") is None
    assert read_curve(write_curve(tmp_path / "stopped.jsonl", [3.0], "interrupted")) is None
    assert read_curve(write_curve(tmp_path / "whole.jsonl", [3.0, 2.0])) == Curve([3.0, 2.0], True)
    assert read_curve(write_curve(tmp_path / "early.jsonl", [3.0], reason=f"{PRUNED} median: x")) == Curve([3.0], False)


def test_the_reason_has_figures_and_steps_of_other_lengths_are_compared(tmp_path: Path) -> None:
    files = [write_curve(tmp_path / f"{n}.jsonl", list(curve.losses)) for n, curve in enumerate(GOOD)]
    history = History("sft", {})
    for place, loss in enumerate([9.0, *BAD[:4]]):
        history.add({"event": "eval", "step": place * 10, "valid_loss": loss})
    reason = Pruner("median", [*files, tmp_path / "missing.jsonl"]).find_end(history)
    assert reason == "pruned by median: validation loss 4.85 at step 40; the best of 4 others had 3.1"

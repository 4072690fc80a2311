"""metrics.jsonl: appended line by line, readable at any moment, whole after a kill."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from gaslamp.core.events import Events, get_history, read_events


def test_numbers_that_json_lacks_travel_with_a_flag(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "metrics.jsonl"
    events = Events(file, "k1")
    events.write("step", step=1, loss=math.nan, grad_norm=math.inf, learning_rate=0.1)
    line = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert line["loss"] is None and line["loss_flag"] == "nan"
    assert line["grad_norm"] is None and line["grad_norm_flag"] == "inf"
    assert line["learning_rate"] == 0.1 and "learning_rate_flag" not in line
    assert line["event"] == "step" and line["key"] == "k1" and line["time"] > 1e9


def test_a_cut_line_is_left_out_and_then_removed(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    Events(file, "k").write("step", step=1, loss=2.0)
    with file.open("a") as handle:
        handle.write('{"event": "step", "key": "k", "step": 2, "lo')
    assert [event["step"] for event in read_events(file)] == [1]
    Events(file, "k").write("step", step=2, loss=1.0)
    assert [event["loss"] for event in read_events(file)] == [2.0, 1.0]
    assert all(json.loads(line) for line in file.read_text().splitlines())


def test_a_file_that_is_nothing_but_a_cut_line(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"event": "st')
    assert read_events(file) == []
    Events(file, "k").write("start", max_steps=3)
    assert [event["event"] for event in read_events(file)] == ["start"]


def test_the_newest_training_is_read_unless_another_is_named(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    Events(file, "old").write("step", step=1, loss=9.0)
    Events(file, "new").write("step", step=1, loss=5.0)
    assert [event["loss"] for event in read_events(file)] == [5.0]
    assert [event["loss"] for event in read_events(file, "old")] == [9.0]
    assert read_events(file, "nobody") == [] and read_events(tmp_path / "missing.jsonl") == []


def test_a_repeated_step_counts_once_and_the_later_wins(tmp_path: Path) -> None:
    """After a kill the steps behind the last checkpoint are done again."""
    file = tmp_path / "metrics.jsonl"
    events = Events(file, "k")
    for step, loss in ((1, 3.0), (2, 2.5), (3, 2.4)):
        events.write("step", step=step, loss=loss)
    events.write("eval", step=3, valid_loss=2.0)
    for step, loss in ((2, 2.6), (3, 2.3), (4, 2.0)):
        events.write("step", step=step, loss=loss)
    history = get_history(read_events(file))
    assert [(event["step"], event["loss"]) for event in history] == [(1, 3.0), (2, 2.6), (3, 2.3), (4, 2.0)]
    assert [event["valid_loss"] for event in get_history(read_events(file), "eval")] == [2.0]

"""Trainings as the screens read them: what was appended, resumes, thinning, updates."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from gaslamp.core.events import Events
from gaslamp.report.dashboard.panels import get_panels
from gaslamp.report.dashboard.series import Series
from gaslamp.report.dashboard.snapshot import get_marks, get_snapshot, get_update
from gaslamp.report.dashboard.trainings import Training
from gaslamp.report.settings_table import flatten
from gaslamp.train.history import get_smoothed
from screen_events import read, start, step


def test_only_what_was_appended_is_read(project: Path, events: Events) -> None:
    start(events)
    step(events, 1)
    metrics = read(project)
    tail = metrics.tails["main"]
    before = tail.offset
    assert before == events.path.stat().st_size
    with events.path.open("a") as handle:
        handle.write('{"time": 1, "event": "step", "key": "k1", "st')  # a line that is being written
    metrics.read_all()
    assert tail.offset == before
    with events.path.open("a") as handle:
        handle.write('ep": 2, "loss": 1.5}\nno json at all\n')
    metrics.read_all()
    training = metrics.find("main")
    assert (
        training is not None and list(training.series["loss"].steps) == [1, 2] and training.series["loss"].last() == 1.5
    )


STRANGE = [
    '{"event": "step", "key": "k1", "step": "x", "loss": 1}',
    '{"event": "step", "key": "k1", "step": 2, "loss": "high", "tokens": "many", "seconds": [1], "time": {}}',
    '{"event": "step", "key": "k1", "step": 3, "loss": 1e300}',
    '{"event": "step", "key": "k1", "step": null}',
    '{"event": "eval", "key": "k1", "step": "z", "valid_loss": true}',
    '{"event": "save", "key": "k1", "step": "z"}',
    '{"event": "start", "key": "k1", "time": "now", "max_steps": "all", "resumed_from": "x", "pid": "y"}',
    '{"event": 5, "key": "k1"}',
    '{"event": "end", "key": "k1", "time": []}',
    '{"event": "step"}',
    "[]",
    "null",
    "7",
]


@pytest.mark.parametrize("line", STRANGE)
def test_a_line_that_no_training_writes_stops_no_screen(project: Path, events: Events, line: str) -> None:
    start(events)
    step(events, 1)
    with events.path.open("a") as handle:
        handle.write(line + "\n")
    step(events, 4, loss=0.25)
    metrics = read(project)
    training = metrics.find("main")
    assert training is not None and training.series["loss"].last() == 0.25
    assert get_snapshot(training)["head"]["step"] == 4


def test_a_folder_in_the_place_of_the_file_is_no_training(project: Path, events: Events) -> None:
    events.path.unlink(missing_ok=True)
    events.path.mkdir()
    metrics = read(project)
    assert metrics.sort() == []


def test_a_replaced_file_is_read_from_its_start(project: Path, events: Events) -> None:
    start(events)
    step(events, 1)
    metrics = read(project)
    events.path.unlink()
    again = Events(events.path, "k2")
    start(again)
    step(again, 1)
    metrics.read_all()
    assert [training.key for training in metrics.sort()] == ["k2"]
    events.path.unlink()
    metrics.read_all()
    assert metrics.sort() == []


def test_a_resume_drops_the_steps_after_its_checkpoint(project: Path, events: Events) -> None:
    start(events)
    for number in range(1, 11):
        step(events, number, loss=float(number))
    events.write("end", status="interrupted", step=10, reason="SIGINT")
    metrics = read(project)
    training = metrics.find(None)
    assert training is not None and training.get_status() == ("interrupted", "SIGINT") and training.cuts == 0
    start(events, resumed_from=6)
    step(events, 7, loss=70.0)
    metrics.read_all()
    assert list(training.series["loss"].values) == [1, 2, 3, 4, 5, 6, 70] and training.cuts == 1
    assert training.get_status()[0] == "training" and [row["step"] for row in training.rows] == [1, 2, 3, 4, 5, 6, 7]
    assert list(training.series["loss"].smooth) == pytest.approx([1, 2, 3, 4, 5, 6, 70])  # a tenth of 7 steps is one


def test_the_smoothed_curve_ends_in_the_number_that_stands_for_it() -> None:
    series, values = Series(), [math.nan, *(5.0 - n / 10 for n in range(29)), math.nan, 9.0]
    for place, value in enumerate(values):
        series.add(place, value)
    known = [value for value in values if value == value]
    assert series.get_smoothed() == series.smooth[-1] == pytest.approx(get_smoothed(known))
    assert series.smooth[-1] == pytest.approx((2.3 + 2.2 + 9.0) / 3) and math.isnan(series.smooth[0])
    assert series.cut(19) and series.smooth[-1] == series.get_smoothed() == pytest.approx(get_smoothed(known[:19]))
    assert len(series.smooth) == 20 and not series.cut(19)


def test_nan_is_a_gap_and_a_warning(project: Path, events: Events) -> None:
    start(events)
    for number in range(1, 6):
        step(events, number)
    step(events, 6, loss=float("nan"))
    events.write("end", status="error", step=6, reason="loss became nan")
    training = read(project).find("main")
    assert training is not None
    snapshot = get_snapshot(training)
    assert snapshot["series"]["loss"]["raw"][1][-1] is None and snapshot["head"]["broken"] == {"loss": 1}
    assert snapshot["head"]["status"] == "error" and snapshot["head"]["reason"] == "loss became nan"
    assert get_panels(training)[0].hint.level == "bad"
    json.dumps(snapshot, allow_nan=False)


def test_a_process_that_is_gone_was_killed(project: Path, events: Events) -> None:
    start(events, pid=2**22 - 7)
    step(events, 1)
    training = read(project).find("main")
    assert training is not None and training.get_status()[0] == "killed"


def test_long_curves_are_thinned_and_keep_their_peaks(project: Path, events: Events) -> None:
    training = Training("main", "k")
    for number in range(1, 20001):
        training.add(
            {
                "event": "step",
                "step": number,
                "time": float(number),
                "loss": 9.0 if number == 7777 else 1.0,
                "seconds": 1.0,
            }
        )
    steps, values = get_snapshot(training, 400)["series"]["loss"]["raw"]
    assert len(steps) == 400 and steps[0] == 1 and steps[-1] == 20000 and values[steps.index(7777)] == 9.0


def test_an_update_holds_what_is_new(project: Path, events: Events) -> None:
    start(events)
    step(events, 1)
    metrics = read(project)
    training = metrics.find("main")
    assert training is not None
    marks = get_marks(training)
    step(events, 2)
    events.write("eval", step=2, valid_loss=1.25, token_accuracy=0.5)
    metrics.read_all()
    update = get_update(training, marks, False)
    assert update["series"]["loss"]["raw"] == [[2], [1.0]] and update["series"]["valid_loss"]["raw"] == [[2], [1.25]]
    assert update["series"]["valid/token_accuracy"]["raw"][1] == [0.5] and "settings" not in update["head"]


def test_time_left_and_settings(project: Path, events: Events) -> None:
    start(events)
    for number in range(1, 11):
        step(events, number)
    training = read(project).find("main")
    assert training is not None and training.get_remaining() == pytest.approx(15.0)
    assert flatten(training.start["settings"]) == [["learning_rate", "0.001"], ["lora.r", "16"]]

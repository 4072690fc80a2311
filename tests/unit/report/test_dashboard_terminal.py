"""The terminal dashboard and the replay: every window size, no control characters."""

from __future__ import annotations

import io
import json
import os
import time
from datetime import datetime
from pathlib import Path

import pytest
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import Events
from gaslamp.report.dashboard import terminal
from gaslamp.report.dashboard.project import Project
from gaslamp.report.dashboard.replay import Replay, find_recording
from gaslamp.report.status import get_status
from rich.console import Console
from screen_events import HOSTILE, read, start, step


def render(project: Path, width: int, height: int, color: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=color,
        color_system="256" if color else None,
        highlight=False,
    )
    metrics = Project(project)
    metrics.metrics.read_all()
    console.print(terminal.get_screen(metrics, None, width, height, color))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(("width", "height"), [(40, 12), (80, 24), (120, 40), (200, 60)])
def test_the_terminal_fits_every_size(project: Path, events: Events, width: int, height: int) -> None:
    start(events, method="grpo")
    for number in range(1, 30):
        step(events, number, reward=number / 30, reward_std=0.1, kl=0.01, **{"completions/mean_length": 20.0})
    text = render(project, width, height)
    lines = text.rstrip("\n").split("\n")
    assert max(len(line) for line in lines) <= width and len(lines) <= height + 1, text
    assert "grpo" in text and "29 of 40" in text and "\x1b" not in text
    if width >= 120:
        assert all(
            title in text
            for title in ("Reward, mean and spread", "KL to the starting model", "Completion length", "Loss, training")
        )
        assert "\x1b[" in render(project, width, height, color=True)


def test_hostile_names_do_not_steer_the_terminal(project: Path, events: Events) -> None:
    start(events, method="grpo")
    for number in range(1, 9):
        step(events, number, reward=0.1, **{f"rewards/{HOSTILE}/mean": 0.2})
    events.write("end", status="error", step=8, reason=HOSTILE)
    assert "\x1b" not in render(project, 120, 40) and "\x07" not in render(project, 120, 40)


def test_status(project: Path, events: Events) -> None:
    def look(run: str | None = None, needs_run: bool = False) -> tuple[int, str]:
        console = Console(file=io.StringIO(), width=200, highlight=False)
        code = terminal.show_status(project, run, console, needs_run)
        return code, console.file.getvalue()  # type: ignore[attr-defined]

    code, text = look()
    assert code == 0 and text.startswith("No run is going on, and no training has logged a step yet.")
    assert text.splitlines()[-1].startswith("next: make run")
    assert look(needs_run=True)[0] == 1
    start(events, chosen={"batch_size": "4: fits"})
    for number in range(1, 6):  # of fewer steps nobody can say how long the rest takes
        step(events, number)
    code, text = look(needs_run=True)
    assert (
        code == 0
        and "5 of 40" in text
        and "left" in text
        and "chosen automatically (open in config.yaml): batch_size 4: fits" in text
    )
    events.write("end", status="completed", step=5, reason="")
    code, text = look()
    assert code == 0 and "No run is going on. Last training: main, completed at step 5 of 40" in text
    assert text.splitlines()[-1] == "next: make run (goes on where it stopped)", "there is no proven file yet"
    assert look("other")[1].splitlines()[0].endswith("There is no run other; known: main.")
    (project / "outputs/main/gguf").mkdir(parents=True)
    (project / "outputs/main/gguf/parity_passed.txt").write_text("")
    assert look()[1].splitlines()[-1] == "next: make deploy"
    stopped = {"event": "start", "time": "2020-01-01T00:00:00+00:00", "pid": os.getpid()}
    (project / "logs/phases.jsonl").write_text(json.dumps({"step": "convert_base_q4_k_m", **stopped}) + "\n")
    assert look()[1].splitlines()[-1] == "next: make deploy (goes on where it stopped)", "the run itself is done"
    (project / "logs/phases.jsonl").write_text(json.dumps({"step": "train_model", **stopped}) + "\n")
    assert look()[1].splitlines()[-1] == "next: make run (goes on where it stopped)"


def test_a_training_elsewhere_is_said_to_be_there(project: Path, events: Events) -> None:
    start(events)
    step(events, 1)
    lease = {"machine": "gpu (node7), 1 x NVIDIA L4", "started": datetime.now().astimezone().isoformat()}
    (project / ".gaslamp" / "remote").mkdir(parents=True)
    (project / ".gaslamp" / "remote" / "lease.json").write_text(json.dumps(lease))
    out = io.StringIO()
    terminal.show_status(project, None, Console(file=out, width=200, color_system=None))
    assert "trains on gpu (node7), 1 x NVIDIA L4, used for" in out.getvalue() and "make remote-stop" in out.getvalue()
    assert get_status(project).elsewhere.startswith("gpu (node7), 1 x NVIDIA L4, used for")
    assert Project(project).get_hardware()[0][0] == "Trains on"
    (project / ".gaslamp" / "remote" / "lease.json").write_text("{}")
    assert get_status(project).elsewhere == "" and not any(
        "Trains" in name for name, _ in Project(project).get_hardware()
    )


def test_a_replay_is_the_run_again(project: Path, events: Events, tmp_path: Path) -> None:
    start(events, pid=1)
    for number in range(1, 6):
        step(events, number)
    events.write("end", status="completed", step=5, reason="")
    lines = events.path.read_text().splitlines()
    for place, line in enumerate(lines):  # one event a second
        lines[place] = json.dumps({**json.loads(line), "time": 1000.0 + place})
    events.path.write_text("\n".join(lines) + "\n")
    target = tmp_path / "again"
    began = time.monotonic()
    Replay(find_recording(project, "main"), target, "main", speed=20.0).run()
    assert 0.25 < time.monotonic() - began < 2
    training = read(target).find("main")
    assert training is not None and list(training.series["loss"].steps) == [1, 2, 3, 4, 5]
    assert (
        training.start["pid"] == os.getpid()
        and abs(training.last_time - time.time()) < 5
        and training.get_status()[0] == "completed"
    )
    with pytest.raises(GaslampError, match="runs: main; samples: "):
        find_recording(project, "nothing")


def test_a_run_that_there_is_not_is_an_error_and_one_to_come_is_none(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("run: first\n")
    (tmp_path / "outputs" / "second").mkdir(parents=True)
    (tmp_path / "outputs" / "env").mkdir()
    for run in ("first", "second", None):
        assert get_status(tmp_path, run).training is None
    for run in ("nope", "env"):
        with pytest.raises(GaslampError, match=f"no run {run}") as found:
            get_status(tmp_path, run)
        assert found.value.fix == "name one of: first, second"

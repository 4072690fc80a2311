"""Screens: what they read, what they show, and whom they answer."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import Events
from gaslamp.report.dashboard import launch, terminal
from gaslamp.report.dashboard.charts import choose_panels
from gaslamp.report.dashboard.guard import HEADERS
from gaslamp.report.dashboard.overview import get_overview
from gaslamp.report.dashboard.panels import EACH_REWARD, PANELS, get_panels
from gaslamp.report.dashboard.project import Project
from gaslamp.report.dashboard.replay import Replay, find_recording
from gaslamp.report.dashboard.series import EMA
from gaslamp.report.dashboard.server import run_server, start_in_thread
from gaslamp.report.dashboard.snapshot import get_marks, get_snapshot, get_update
from gaslamp.report.dashboard.trainings import Metrics, Training
from gaslamp.report.methods import describe_method
from gaslamp.report.settings_table import flatten
from rich.console import Console

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\x07</script>"


def start(events: Events, **changes: Any) -> None:
    values = {
        "backend": "cpu",
        "method": "sft",
        "max_steps": 40,
        "rows": 80,
        "epochs": 2.0,
        "resumed_from": 0,
        "pid": os.getpid(),
        "parameters": 7,
    }
    events.write("start", settings={"learning_rate": 0.001, "lora": {"r": 16}}, **{**values, **changes})


def step(events: Events, number: int, **values: Any) -> None:
    common = {
        "loss": 2.0 / number,
        "learning_rate": 0.001,
        "grad_norm": 1.0,
        "epoch": number / 20,
        "seconds": 0.5,
        "tokens": 100,
        "memory_gb": 1.5,
    }
    events.write("step", step=number, **{**common, **values})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "config.yaml").write_text("project: {name: cafe}\n")
    return tmp_path


@pytest.fixture
def events(project: Path) -> Events:
    return Events(project / "logs" / "main" / "train.metrics.jsonl", "k1")


def read(project: Path) -> Metrics:
    metrics = Metrics(project)
    metrics.read_all()
    return metrics


# ------------------------------------------------------------------------------------------------------------ reading


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
    expected = 1.0
    for value in (2, 3, 4, 5, 6, 70):
        expected = EMA * expected + (1 - EMA) * value
    assert training.series["loss"].ema[-1] == pytest.approx(expected) and training.series["loss"].mean[
        -1
    ] == pytest.approx(91 / 7)


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


# ------------------------------------------------------------------------------------------------------------- panels


TASKS = [
    ("sft", {"token_accuracy": 0.5}, ["loss", "token_accuracy"]),
    (
        "orpo",
        {"rewards/chosen": 1.0, "rewards/rejected": 0.5, "rewards/margins": 0.5, "rewards/accuracies": 0.8},
        ["loss", "preference", "margin", "accuracy"],
    ),
    ("kto", {"rewards/chosen": 1.0, "rewards/rejected": 0.5, "kl": 0.1}, ["loss", "preference", "kl"]),
    (
        "dr_grpo",
        {
            "reward": 0.5,
            "reward_std": 0.1,
            "kl": 0.1,
            "completions/mean_length": 30.0,
            "rewards/correct/mean": 0.3,
            "rewards/correct/std": 0.1,
            "rewards/form/mean": 0.2,
        },
        ["loss", "reward", "kl", "length", "reward:correct", "reward:form"],
    ),
    ("reward", {"accuracy": 0.6, "margin": 0.2, "mean_reward": 0.1}, ["loss", "rm_accuracy", "rm_margin", "rm_range"]),
    ("vision_sft", {}, ["loss"]),
]


@pytest.mark.parametrize(("method", "values", "expected"), TASKS, ids=[case[0] for case in TASKS])
def test_every_task_has_its_panels(
    project: Path, events: Events, method: str, values: dict[str, float], expected: list[str]
) -> None:
    start(events, method=method)
    for number in range(1, 9):
        step(events, number, **values)
    training = read(project).find("main")
    assert training is not None
    panels = {panel.id: panel for panel in get_panels(training)}
    assert [name for name in panels if name not in ("learning_rate", "grad_norm", "speed", "memory")] == expected
    assert {"learning_rate", "grad_norm", "speed", "memory"} <= set(panels)
    if method == "dr_grpo":
        assert panels["reward"].curves[0].sigma == "reward_std" and panels["reward:form"].curves[0].sigma is None


@pytest.mark.parametrize("method", registry.names("methods"))
def test_a_method_names_charts_that_exist(method: str) -> None:
    text = describe_method(method)
    assert set(text.panels) - {EACH_REWARD} <= set(PANELS) and set(text.main_panels) <= set(PANELS)


def test_rewards_of_online_dpo_have_a_chart(project: Path, events: Events) -> None:
    start(events, method="online_dpo")
    for number in range(1, 9):
        step(events, number, **{"objective/scores": 0.1 * number, "objective/kl": 0.2})
    training = read(project).find("main")
    assert training is not None
    panels = {panel.id: panel for panel in get_panels(training)}
    assert panels["reward"].curves[0].name == "objective/scores" and panels["kl"].curves[0].name == "objective/kl"
    assert [panel.id for panel in choose_panels(training)] == ["reward", "kl", "loss", "learning_rate"]
    assert "watch the reward, not the loss" in panels["loss"].hint.text


def test_a_method_of_another_version_is_shown(project: Path, events: Events) -> None:
    start(events, method="of_tomorrow")
    step(events, 1)
    training = read(project).find("main")
    assert training is not None
    head = get_snapshot(training)["head"]
    assert head["task"] == "of_tomorrow" and [panel["id"] for panel in head["panels"]][0] == "loss"


# ------------------------------------------------------------------------------------------------------------- phases


def write_phases(project: Path, *lines: dict[str, Any]) -> None:
    with (project / "logs" / "phases.jsonl").open("a") as handle:
        for line in lines:
            handle.write(json.dumps({"time": "2026-01-01T10:00:00+00:00", "pid": 2**22 - 7, **line}) + "\n")


def test_phases_of_the_whole_graph(project: Path) -> None:
    write_phases(
        project,
        {"step": "prepare_data", "event": "start"},
        {"step": "prepare_data", "event": "end", "status": "ok", "seconds": 3.0, "error": None},
        {"step": "train_model", "event": "start"},
        {"step": "train_model", "event": "end", "status": "failed", "seconds": 5.0, "error": "loss became nan"},
        {"step": "build_llamacpp", "event": "start"},
        {"step": "quantize_gguf_q8_0", "event": "start"},
        {"step": "quantize_gguf_q8_0", "event": "end", "status": "ok", "seconds": 1.0},
        {"step": "quantize_gguf_q4_k_m", "event": "start"},
        {"step": "quantize_gguf_q4_k_m", "event": "end", "status": "ok", "seconds": 2.0},
        {"step": "evaluate_model_base", "event": "start", "pid": os.getppid(), "time": "2999-01-01T10:00:00+00:00"},
    )
    phases = {phase["step"]: phase for phase in Project(project).get_phases()}
    assert phases["prepare_data"]["state"] == "done" and phases["prepare_data"]["seconds"] == 3.0
    assert phases["train_model"]["state"] == "failed" and phases["train_model"]["reason"] == "loss became nan"
    assert phases["build_llamacpp"]["state"] == "interrupted" and phases["check_parity"]["state"] == "waiting"
    assert (
        phases["quantize_gguf"]["state"] == "done"
        and phases["quantize_gguf"]["seconds"] == 3.0
        and phases["quantize_gguf"]["parts"] == 2
    )
    assert phases["evaluate_model_base"]["state"] == "running"


# ------------------------------------------------------------------------------------------------------------- server


@pytest.fixture
def served(project: Path, events: Events) -> Iterator[str]:
    start(events)
    step(events, 1)
    server, url = start_in_thread(project, 18300)
    yield url
    server.should_exit = True


def test_routes(served: str) -> None:
    with httpx.Client(base_url=served, trust_env=False) as client:
        page = client.get("/")
        assert page.status_code == 200 and '<script src="plotly.js">' in page.text
        assert all(page.headers[name] == value for name, value in HEADERS.items())
        assert "'unsafe" not in HEADERS["content-security-policy"] and "access-control-allow-origin" not in page.headers
        assert "plotly.js v" in client.get("/plotly.js").text[:200]
        assert client.get("/api/health").json()["status"] == "ok"
        assert client.get("/api/runs").json()["name"] == "cafe"
        metrics = client.get("/api/metrics").json()
        assert metrics["id"] == "main@k1" and metrics["series"]["loss"]["raw"] == [[1], [2.0]]
        for bad in ("/api/metrics?run=none", "/server.py", "/..%2fserver.py", "/page/../server.py"):
            assert client.get(bad).status_code == 404, bad
        assert client.post("/api/runs").status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:18300"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "localhost:9999"}, 200),  # a forwarded port
        ({"Host": "localhost:9999", "Origin": "http://localhost:9999"}, 200),
    ],
)
def test_other_sites_get_no_answer(served: str, headers: dict[str, str], status: int) -> None:
    assert httpx.get(f"{served}/api/metrics", headers=headers, trust_env=False).status_code == status


def test_the_stream_sends_each_step_once(served: str, events: Events) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []
    kind = ""
    with httpx.stream("GET", f"{served}/api/stream?run=main", trust_env=False, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("retry:"):
                assert line == "retry: 3000"
            if line.startswith("event:"):
                kind = line.removeprefix("event: ")
            if line.startswith("data:"):
                seen.append((kind, json.loads(line.removeprefix("data: "))))
                if kind == "hello":
                    step(events, 2)
                    step(events, 3)
                if kind == "update" and seen[-1][1]["head"]["step"] == 3:
                    break
    updates = [data for name, data in seen if name == "update"]
    hello = next(data for name, data in seen if name == "hello")
    assert [data["number"] for data in updates] == [hello["number"] + n + 1 for n in range(len(updates))]
    assert [number for data in updates for number in data["series"]["loss"]["raw"][0]] == [2, 3]


def test_a_second_dashboard_finds_the_first(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server, url = start_in_thread(project, 18400)
    (project / "outputs").mkdir()
    (project / launch.RECORD).write_text(json.dumps({"port": int(url.rsplit(":", 1)[1])}))
    assert launch.find_server(project) == url
    run_server(project, 18400, show=True)  # returns at once
    assert "already runs" in capsys.readouterr().out
    server.should_exit = True
    monkeypatch.setattr(launch, "find_server", lambda root: pytest.fail("nobody is here: nothing is looked up"))
    launch.open_at_start(project, type("Settings", (), {"open": "auto", "port": 8080}))


# ----------------------------------------------------------------------------------------------------------- terminal


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
    def look() -> tuple[int, str]:
        console = Console(file=io.StringIO(), width=200, highlight=False)
        code = terminal.show_status(project, None, console)
        return code, console.file.getvalue()  # type: ignore[attr-defined]

    code, text = look()
    assert code == 1 and "nothing runs" in text and "make run" in text
    start(events, chosen={"batch_size": "4: fits"})
    step(events, 1)
    code, text = look()
    assert (
        code == 0
        and "1 of 40" in text
        and "left" in text
        and "chosen automatically (open in config.yaml): batch_size 4: fits" in text
    )
    events.write("end", status="completed", step=1, reason="")
    code, text = look()
    assert code == 1 and "nothing runs. Last training: main, completed at step 1 of 40" in text


# ------------------------------------------------------------------------------------------------------------- replay


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


def test_the_overview_survives_broken_files(project: Path) -> None:
    (project / "config.yaml").write_text("{{{")
    (project / "outputs" / "env").mkdir(parents=True)
    (project / "outputs" / "env" / "system.json").write_text("[1, 2")
    (project / "logs" / "phases.jsonl").write_text("no json\n")
    overview = get_overview(Project(project))
    assert overview["name"] == project.name and overview["runs"] == [] and len(overview["phases"]) > 15


def test_the_bench_of_the_server_measures(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from benchmarks.screens import bench_server

    # a thread of its own: the browser tests of the same worker leave an event loop running in this one
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(bench_server, tmp_path, steps=500, tabs=3, seconds=10.0).result()
    assert 0 < found["delay_median_seconds"] < 5 and found["updates_fewest"] >= 2 and found["snapshot_bytes"] > 1000


def test_the_bench_of_a_tab_compares_the_same_steps(tmp_path: Path) -> None:
    from contextlib import contextmanager

    from benchmarks.screens import bench_tab

    pace = {"none": iter((1.0, 1.2)), "open": iter((1.1, 1.3))}
    opened = []

    @contextmanager
    def tab(root: Path) -> Iterator[str]:
        opened.append(root)
        yield "a tab"

    def train(name: str, metrics: Path) -> list[dict[str, Any]]:
        seconds = next(pace["open" if "open" in name else "none"])
        return [{"step": step, "seconds": seconds * step} for step in range(1, 6)]

    found = bench_tab(tmp_path, train, tab)
    assert found["overhead_percent"] == 10.0 and found["steps"] == 4 and len(opened) == 2 and found["tab"] == "a tab"

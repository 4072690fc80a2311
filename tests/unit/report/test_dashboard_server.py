"""The web dashboard: phases, routes, the stream, and whom it answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gaslamp.core.events import Events
from gaslamp.report.dashboard import launch
from gaslamp.report.dashboard.guard import HEADERS
from gaslamp.report.dashboard.outcome import PAGE_POLICY
from gaslamp.report.dashboard.overview import get_overview
from gaslamp.report.dashboard.project import Project
from gaslamp.report.dashboard.server import run_server, start_in_thread
from screen_events import start, step, write_phases


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


def test_the_end_of_a_run_links_its_pages_and_names_the_next_command(served: str, project: Path) -> None:
    found = project / "outputs/main/eval"
    found.mkdir(parents=True)
    (found / "verdict.json").write_text(json.dumps({"summary": "The tuned model is better", "verdict": "better"}))
    (found / "report.html").write_text("<p>rows</p>")
    with httpx.Client(base_url=served, trust_env=False) as client:
        outcome = client.get("/api/runs").json()["outcomes"]["main"]
        assert (outcome["headline"], outcome["verdict"]) == ("The tuned model is better", "better")
        assert [page["title"] for page in outcome["pages"]] == ["Evaluation"]
        assert outcome["next"] == "make run (goes on where it stopped)"
        page = client.get(f"/files/{outcome['pages'][0]['link']}")
        assert page.text == "<p>rows</p>" and page.headers["content-security-policy"] == PAGE_POLICY
        assert "connect-src" not in PAGE_POLICY and page.headers["x-frame-options"] == "DENY"
        for bad in ("outputs/main/eval/verdict.json", "config.yaml", "demos/main/index.html", "..%2fx/report.html"):
            assert client.get(f"/files/{bad}").status_code == 404, bad
        (found.parent / "gguf").mkdir()
        (found.parent / "gguf/parity_passed.txt").write_text("")
        assert client.get("/api/runs").json()["outcomes"]["main"]["next"] == "make deploy"


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
    with httpx.stream("GET", f"{served}/api/stream?run=main", trust_env=False, timeout=90) as answer:
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

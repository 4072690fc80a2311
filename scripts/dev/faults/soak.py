"""The dashboard under many tabs for a while, with a training that goes on and lines that are damaged."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
from gaslamp.core.files import read_json, read_jsonl
from gaslamp.core.ports import get_private_port

from faults.bench import Bench, Trial

ABOUT = "the dashboard with 50 tabs while a training writes steps and damaged lines: it answers, its memory stays flat"
TABS = 50
SECONDS = 60.0
GROWTH = 30_000_000
"""Bytes by which the server's memory may grow after the first third."""
DAMAGED = ('{"event": "step", "step": 9, "loss": "x", "key": "a"}', "[]", "{", '{"event": 5}', "\x00\x00", '"text"')


def run(bench: Bench, random: random.Random, seconds: float = SECONDS, tabs: int = TABS) -> Trial:
    """TABS streams are open, and each reads on, while the metrics grow."""
    trial = Trial(f"{tabs} tabs for {seconds:.0f} s", faults=tabs)
    with bench.copy("soak") as project, serve(bench, project) as (url, process):
        metrics = project / "logs" / "main" / "train.metrics.jsonl"
        events = list(read_jsonl(metrics))
        step = next(event for event in reversed(events) if event["event"] == "step")
        ends = time.monotonic() + seconds
        with concurrent.futures.ThreadPoolExecutor(tabs) as pool:
            readers = [pool.submit(read_stream, url, ends) for _ in range(tabs)]
            early, number = 0, int(step["step"])
            while time.monotonic() < ends:
                number += 1
                line = json.dumps({**step, "step": number, "time": time.time()})
                with metrics.open("a", encoding="utf-8") as handle:
                    handle.write((random.choice(DAMAGED) if random.random() < 0.05 else line) + "\n")
                if not early and ends - time.monotonic() < seconds * 2 / 3:
                    early = process.memory_info().rss
                time.sleep(0.05)
            grown = process.memory_info().rss - early
            silent = sum(reader.result() < 2 for reader in readers)
        if silent:
            trial.problems.append(f"{silent} of {tabs} tabs got no news")
        if grown > GROWTH:
            trial.problems.append(f"the server's memory grew by {grown / 1e6:.0f} MB")
        last = httpx.get(f"{url}/api/health", timeout=30, trust_env=False)
        if last.status_code != 200:
            trial.problems.append(f"/api/health answers {last.status_code}")
        trial.what += f", {number - int(step['step'])} steps, memory grew by {grown / 1e6:.1f} MB"
    return trial


@contextlib.contextmanager
def serve(bench: Bench, project: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The dashboard's server of a project: its address and its process."""
    port = get_private_port()
    command = [sys.executable, "scripts/watch_run.py", "web", "--port", str(port)]
    with (project.parent / "dashboard.out").open("w") as out:
        server = subprocess.Popen(
            command, cwd=project, env=bench.get_environ(project), stdout=out, stderr=out, start_new_session=True
        )
    try:
        record, deadline = project / "outputs" / "dashboard.json", time.monotonic() + 90
        while not is_answering(record):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the dashboard did not start")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{read_json(record)['port']}", psutil.Process(server.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def is_answering(record: Path) -> bool:
    """Whether the server that wrote ``record`` answers."""
    with contextlib.suppress(httpx.HTTPError, OSError, KeyError, ValueError):
        port = read_json(record)["port"] if record.is_file() else 0
        return bool(port) and httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=2, trust_env=False).is_success
    return False


def read_stream(url: str, ends: float) -> int:
    """How many messages a tab got until ``ends``."""
    count = 0
    with contextlib.suppress(httpx.HTTPError), httpx.stream("GET", f"{url}/api/stream", timeout=30) as answer:
        for line in answer.iter_lines():
            count += line.startswith("data:")
            if time.monotonic() > ends:
                break
    return count

"""Part of ``make bench``: the dashboard under 100,000 steps and 50 tabs, and what a tab left open costs a training."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.ports import get_private_port

if TYPE_CHECKING:
    import psutil

STEPS = 100_000
TABS = 50
SECONDS = 15.0
RATE = 5.0  # steps a second that the written training makes
SCRIPT = Path(__file__).resolve().parents[2] / "watch_run.py"


def write_history(root: Path, steps: int, pid: int) -> Path:
    """A metrics file of ``steps`` steps whose training is said to run still."""
    path = root / "logs" / "main" / "train.metrics.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    now = time.time()
    settings = {"learning_rate": 1e-3, "lora": {"r": 16}}
    start = {
        "time": now,
        "event": "start",
        "key": "bench",
        "backend": "cpu",
        "method": "sft",
        "max_steps": 2 * steps,
        "rows": 1000,
        "epochs": 1.0,
        "resumed_from": 0,
    }
    lines = [{**start, "pid": pid, "settings": settings, "parameters": 1}]
    lines += [get_step(step, now) for step in range(1, steps + 1)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def get_step(step: int, now: float) -> dict[str, Any]:
    """A step event as the engine writes it; the loss falls and jitters."""
    loss = 2.0 / (1 + step / 2000) + (step * 7919 % 997) / 5000
    return {
        "time": now,
        "event": "step",
        "key": "bench",
        "step": step,
        "loss": loss,
        "learning_rate": 1e-3,
        "grad_norm": 1 + (step * 31 % 97) / 97,
        "epoch": step / 2e5,
        "seconds": 0.2,
        "tokens": 300,
        "memory_gb": 2.0,
        "token_accuracy": 1 - loss / 4,
        "entropy": loss,
    }


@contextmanager
def dashboard(root: Path, log: Path) -> Any:
    """The dashboard of ``root`` in its own process: its address, the process, and the seconds until it answered."""
    import httpx
    import psutil

    port = get_private_port()
    started = time.monotonic()
    with log.open("wb") as handle:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "web", "--port", str(port), "--root", str(root)], stdout=handle, stderr=handle
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(f"{url}/api/health", timeout=10, trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() - started > 120:
                    raise GaslampError(
                        f"the dashboard did not start: {log.read_text(errors='replace')[-400:]}",
                        "fix what it names and run make bench again",
                    ) from None
                time.sleep(0.05)
        yield url, psutil.Process(process.pid), time.monotonic() - started
    finally:
        process.terminate()
        process.wait(timeout=20)


async def _measure(
    url: str, path: Path, process: psutil.Process, tabs: int, seconds: float, first: int
) -> dict[str, Any]:
    import httpx

    delays: list[float] = []
    answers: list[float] = []
    updates = [0] * tabs
    done = asyncio.Event()
    limits = httpx.Limits(max_connections=tabs + 10)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as client:

        async def follow(tab: int) -> None:
            async with client.stream("GET", "/api/stream?run=main") as answer:
                kind = ""
                async for line in answer.aiter_lines():
                    if line.startswith("event:"):
                        kind = line[7:]
                    elif line.startswith("data:") and kind == "update":
                        updates[tab] += 1
                        if tab == 0 and not done.is_set():  # the newest step carries the moment it was written
                            delays.append(time.time() - json.loads(line[5:])["head"]["updated"])
                    if done.is_set():
                        return

        followers = [asyncio.create_task(follow(tab)) for tab in range(tabs)]
        await asyncio.sleep(1.0)
        before, began = sum(process.cpu_times()[:2]), time.monotonic()
        step = first
        while time.monotonic() - began < seconds:
            step += 1
            with path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(get_step(step, time.time())) + "\n")
            if step % 10 == 0:
                sent = time.monotonic()
                (await client.get("/api/metrics?run=main")).raise_for_status()
                answers.append(time.monotonic() - sent)
            await asyncio.sleep(1 / RATE)
        used = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
        size = len((await client.get("/api/metrics?run=main")).content)
        done.set()
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
    return {
        "steps": first,
        "tabs": tabs,
        "seconds": seconds,
        "delay_median_seconds": round(median(delays), 3),
        "delay_most_seconds": round(max(delays), 3),
        "snapshot_median_seconds": round(median(answers), 3),
        "snapshot_most_seconds": round(max(answers), 3),
        "snapshot_bytes": size,
        "cpu_share": round(used, 3),
        "memory_gb": round(process.memory_info().rss / 1e9, 3),
        "updates_fewest": min(updates),
        "updates_most": max(updates),
    }


def bench_server(folder: Path, steps: int = STEPS, tabs: int = TABS, seconds: float = SECONDS) -> dict[str, Any]:
    """A long history and many tabs, while the training goes on: delays, load and memory of the server."""
    folder.mkdir(parents=True, exist_ok=True)
    path = write_history(folder, steps, os.getpid())
    say(f"dashboard: {steps:,} steps, {tabs} tabs, {seconds:.0f} s")
    with dashboard(folder, folder / "dashboard.log") as (url, process, ready):
        result = asyncio.run(_measure(url, path, process, tabs, seconds, steps))
    return {"ready_seconds": round(ready, 2), **result}


@contextmanager
def open_tab(root: Path) -> Any:
    """The dashboard of ``root`` with one tab open, in Chromium with Playwright, else a client of the stream."""
    import shutil
    import threading

    import httpx

    with dashboard(root, root / "dashboard.log") as (url, _, _):
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            chromium = None
        if chromium:
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                browser.new_page().goto(url)
                yield "Chromium"
                browser.close()
            return
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                with httpx.stream("GET", f"{url}/api/stream", trust_env=False, timeout=60) as answer:
                    for _ in answer.iter_lines():
                        if stop.is_set():
                            return

        threading.Thread(target=read, daemon=True).start()
        yield "a client that reads the stream"
        stop.set()


def bench_tab(
    folder: Path,
    train: Callable[[str, Path], list[dict[str, Any]]],
    tab: Callable[[Path], AbstractContextManager[str]] = open_tab,
) -> dict[str, Any]:
    """Two trainings with a tab open and two without, in turn: the ratio of the same step, as the median over steps.

    Args:
        folder: empty folder for the work.
        train: trains into a metrics file and returns its steps (step, seconds).
        tab: opens a tab on a folder.
    """
    times: dict[str, list[dict[int, float]]] = {"open": [], "none": []}
    what = ""
    for number in (1, 2):
        for kind in ("none", "open"):
            root = folder / f"{kind}{number}"
            metrics = root / "logs" / "main" / "train.metrics.jsonl"
            metrics.parent.mkdir(parents=True, exist_ok=True)
            if kind == "open":
                with tab(root) as what:
                    steps = train(f"training {number} of 2: with the dashboard open", metrics)
            else:
                steps = train(f"training {number} of 2: without a dashboard", metrics)
            times[kind].append({step["step"]: step["seconds"] for step in steps})
    kept = [step for step in times["none"][0] if step > 1]
    best = {kind: {step: min(one[step] for one in runs) for step in kept} for kind, runs in times.items()}
    ratio = median(best["open"][step] / best["none"][step] for step in kept)
    noise = median(abs(runs[0][step] / runs[1][step] - 1) for runs in times.values() for step in kept)
    return {
        "tab": what,
        "steps": len(kept),
        "without_seconds": round(median(best["none"].values()), 4),
        "with_seconds": round(median(best["open"].values()), 4),
        "overhead_percent": round((ratio - 1) * 100, 2),
        "noise_percent": round(noise * 100, 2),
    }

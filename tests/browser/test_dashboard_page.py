"""The dashboard as a person sees it: every task's panels, a restarted server, hostile words, no network, no barrier."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import screen_events
from gaslamp.core.events import Events
from gaslamp.report.dashboard.replay import SAMPLES, Replay
from gaslamp.report.dashboard.server import start_in_thread

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TASKS = sorted(path.name.split(".")[0] for path in SAMPLES.glob("*.metrics.jsonl"))
EXPECTED = {
    "sft": {"loss"},
    "dpo": {"loss", "preference", "margin", "accuracy"},
    "kto": {"loss", "preference", "margin", "kl"},
    "grpo": {"loss", "reward", "length", "kl"},
    "reward": {"loss", "rm_accuracy", "rm_margin", "rm_range"},
    "vision_sft": {"loss"},
}
ALWAYS = {"learning_rate", "grad_norm", "speed", "memory"}
KNOWN = "ji27qzEtxXZW"  # hash of the style of plotly's maps, which the page has none of: the policy keeps it out


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dashboard")
    for task in TASKS:
        place = root / "logs" / task / "train.metrics.jsonl"
        place.parent.mkdir(parents=True)
        shutil.copy2(SAMPLES / f"{task}.metrics.jsonl", place)
    lines = [
        {"step": "prepare_data", "event": "start"},
        {"step": "prepare_data", "event": "end", "status": "ok", "seconds": 2.5},
        {"step": "train_model", "event": "start", "pid": os.getppid()},
    ]
    (root / "logs" / "phases.jsonl").write_text(
        "".join(json.dumps({"time": "2030-01-01T00:00:00+00:00", "pid": 1, **line}) + "\n" for line in lines)
    )
    (root / "config.yaml").write_text("project: {name: Everything}\n")
    return root


@pytest.fixture(scope="module")
def url(project: Path) -> Iterator[str]:
    server, address = start_in_thread(project, 18500)
    yield address
    server.should_exit = True


class Visit:
    """A tab that notes what must not happen: requests elsewhere, errors, dialogs."""

    def __init__(self, browser: Browser, url: str, width: int = 1440, scheme: Any = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on(
            "console",
            lambda line: self.problems.append(line.text) if line.type == "error" and KNOWN not in line.text else None,
        )
        self.context.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((url, "data:", "blob:"))
                else self.problems.append(f"request: {request.url}")
            ),
        )
        self.page.goto(url)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()

    def wait(self, condition: str, arg: Any = None, seconds: float = 120.0) -> None:
        """Wait until a JavaScript function is true; Playwright's own waiting needs eval, which the policy forbids."""
        until = time.monotonic() + seconds
        while not self.page.evaluate(condition, arg):
            assert time.monotonic() < until, f"never true: {condition} {arg} {self.problems}"
            time.sleep(0.1)

    def get_panels(self) -> set[str]:
        """Panels whose curve has been drawn with at least two points."""
        script = """() => [...document.querySelectorAll('#charts figure')]
            .filter(f => [...f.querySelectorAll('path.js-line')].some(p => (p.getAttribute('d') || '').length > 10))
            .map(f => f.dataset.panel)"""
        return set(self.page.evaluate(script))


@pytest.mark.parametrize("task", TASKS)
def test_every_panel_of_every_task_fills(browser: Browser, url: str, task: str) -> None:
    with Visit(browser, url) as visit:
        page = visit.page
        visit.wait(
            "count => document.querySelectorAll('#run option').length === count", len(TASKS)
        )  # the server reads one file after another
        page.select_option(
            "#run", page.locator("#run option", has_text=re.compile(rf"^{task} \(")).get_attribute("value")
        )
        visit.wait(
            "name => document.querySelector('#task').textContent.toLowerCase().startsWith(name.replace('_', ' '))", task
        )
        wanted = (EXPECTED[task] | ALWAYS) - ({"speed"} if task in ("grpo",) else set())
        visit.wait("count => document.querySelectorAll('#charts path.js-line').length >= count", len(wanted))
        assert wanted <= visit.get_panels()
        assert page.inner_text("#phase") == "completed" and page.locator("#banner").inner_text().startswith(
            "Completed:"
        )
        assert page.locator("#last-body tr").count() == 10 and page.locator("#setting-list dt").count() > 10
        assert (
            page.locator("#phases li.done").count() == 1
            and page.locator("#phases li.running").count() == 1
            and page.locator("#phases li.waiting").count() > 10
        )
        assert page.locator("#gauge span").count() >= 1 and page.locator("#cards > div").count() >= 6
        if task == "grpo":
            assert page.locator("#sample-list article").count() >= 2 and page.locator(".scores li").count() >= 2
            assert any(name.startswith("reward:") for name in visit.get_panels())
        before = page.locator("#charts figure").first.locator("path.js-line").count()
        page.uncheck("#show-smooth")
        visit.wait(
            "before => document.querySelector('#charts figure').querySelectorAll('path.js-line').length < before",
            before,
        )
        assert visit.problems == []


def test_a_replay_is_watched_live_and_survives_a_restart(browser: Browser, tmp_path: Path) -> None:
    import threading

    server, address = start_in_thread(tmp_path, 18600)
    port = int(address.rsplit(":", 1)[1])
    with Visit(browser, address) as visit:
        page = visit.page
        visit.wait(
            "() => !document.querySelector('#empty').hidden"
            " && document.querySelector('#link').textContent === 'connected'"
        )
        replay = Replay(SAMPLES / "dpo.metrics.jsonl", tmp_path, "again", speed=0.3)
        stop = threading.Event()
        player = threading.Thread(target=replay.run, args=(stop,), daemon=True)
        player.start()
        visit.wait(
            "() => document.querySelector('#phase').textContent === 'training'"
            " && document.querySelectorAll('#last-body tr').length >= 2"
        )
        first = page.locator("#last-body tr").count()
        visit.wait("first => document.querySelectorAll('#last-body tr').length > first", first)
        assert visit.problems == []
        server.should_exit = True
        visit.wait("() => document.querySelector('#link').textContent !== 'connected'")
        for _ in range(100):
            time.sleep(0.1)
            if server.started and not any(True for one in server.servers if one.is_serving()):
                break
        stop.set()
        player.join()
        Replay(SAMPLES / "dpo.metrics.jsonl", tmp_path, "again", speed=1e6).run()
        again, address = start_in_thread(tmp_path, port)
        assert address.endswith(str(port)), "the old server still holds its port"
        visit.wait(
            "() => document.querySelector('#link').textContent === 'connected'"
            " && document.querySelector('#phase').textContent === 'completed'"
        )
        assert page.inner_text("#step-text") == "12 of 12"
        again.should_exit = True


def get_hostile() -> list[str]:
    """1,000 strings that try to become markup, script, style, a template, a link, or a control sequence."""
    parts = [
        "<script>window.hit=1</script>",
        "</script><script>window.hit=1</script>",
        "<img src=x onerror=window.hit=1>",
        "<svg/onload=window.hit=1>",
        "javascript:window.hit=1",
        "<a href='javascript:window.hit=1'>go</a>",
        '"><script>window.hit=1</script>',
        "'-window.hit=1-'",
        "${window.hit=1}",
        "{{constructor.constructor('window.hit=1')()}}",
        "<iframe srcdoc='<script>parent.hit=1</script>'>",
        "<style>*{display:none}</style>",
        "<!--",
        "]]>",
        "\u2028window.hit=1",
        "\x00\x1b[2J",
        "&lt;script&gt;window.hit=1&lt;/script&gt;",
        "<math><mi//xlink:href='data:x,<script>window.hit=1</script>'>",
        "<b onmouseover=window.hit=1>x</b>",
        "%{window.hit=1}",
    ]
    return [f"{before}{part}{number}" for number in range(25) for part in parts for before in ("", "x ")]


def test_hostile_words_run_no_script(browser: Browser, tmp_path: Path) -> None:
    words = get_hostile()
    assert len(words) == 1000
    (tmp_path / "config.yaml").write_text(json.dumps({"project": {"name": words[0]}}))
    for place in range(0, 1000, 250):
        events = Events(tmp_path / "logs" / f"run{place}" / "train.metrics.jsonl", f"k{words[place + 2]}")
        part = words[place : place + 250]
        settings = dict(zip(part[:60], part[60:120], strict=True))
        events.write(
            "start",
            backend=part[3],
            method="grpo",
            max_steps=12,
            rows=1,
            epochs=1.0,
            resumed_from=0,
            pid=1,
            settings=settings,
            parameters=1,
        )
        for step in range(1, 12):
            rewards = {f"rewards/{word}/mean": 0.1 * step for word in part[120:140]}
            events.write(
                "step",
                step=step,
                loss=1.0,
                learning_rate=0.1,
                grad_norm=1.0,
                seconds=0.1,
                tokens=5,
                memory_gb=1.0,
                reward=0.1,
                reward_std=0.1,
                **rewards,
            )
            chosen = part[140 + step * 9 : 149 + step * 9]
            events.write(
                "sample",
                step=step,
                prompt=chosen[0],
                completion=chosen[1],
                reference=chosen[2],
                scores={chosen[3]: 0.5},
            )
        events.write("end", status="error", step=11, reason=part[249])
    lines = [{"step": word, "event": "start"} for word in words[:40]]
    (tmp_path / "logs" / "phases.jsonl").write_text(
        "".join(json.dumps({"time": "2030-01-01T00:00:00+00:00", "pid": 1, **line}) + "\n" for line in lines)
    )
    server, address = start_in_thread(tmp_path, 18700)
    with Visit(browser, address) as visit:
        page = visit.page
        visit.wait("() => document.querySelectorAll('#run option').length === 4")
        for value in page.eval_on_selector_all("#run option", "all => all.map(one => one.value)"):
            page.select_option("#run", value)
            visit.wait(
                "() => document.querySelectorAll('#sample-list article').length > 5"
                " && document.querySelectorAll('#setting-list dt').length > 50"
            )
            page.wait_for_timeout(300)
        page.locator("#charts figure .plot").nth(3).hover()
        page.wait_for_timeout(200)
        assert page.evaluate("window.hit") is None
        assert page.locator("main img, main iframe, main script, main style, main a[href], main svg a").count() == 0
        assert page.inner_text("#name") == words[0]
        assert visit.problems == []
    server.should_exit = True


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_barrier(browser: Browser, url: str, scheme: str) -> None:
    """axe-core: no serious or critical violation, colours included."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with Visit(browser, url, scheme=scheme) as visit:
        page = visit.page
        visit.wait("() => document.querySelectorAll('#run option').length > 1")
        page.select_option("#run", page.locator("#run option", has_text="grpo (").first.get_attribute("value"))
        visit.wait("() => document.querySelectorAll('#sample-list article').length > 0")
        page.wait_for_timeout(500)
        found = axe.Axe().run(page).response["violations"]
        serious = [
            (one["id"], one["nodes"][0]["html"][:120]) for one in found if one["impact"] in ("serious", "critical")
        ]
        assert serious == []


@pytest.mark.parametrize("width", [1440, 768, 390])
def test_it_fits_the_screen(browser: Browser, url: str, width: int, tmp_path: Path) -> None:
    with Visit(browser, url, width) as visit:
        visit.wait("() => document.querySelectorAll('#charts path.js-line').length > 3")
        visit.page.wait_for_timeout(300)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        visit.page.screenshot(path=tmp_path / f"{width}.png", full_page=True)


def test_a_training_that_is_ill_has_no_green_banner(browser: Browser, tmp_path: Path) -> None:
    """It was completed, and its worst finding stands in the banner with what to try."""
    events = Events(tmp_path / "logs/main/train.metrics.jsonl", "k")
    screen_events.start(events, max_steps=4)
    for number in range(1, 5):
        screen_events.step(events, number)
    change = {"key": "train.epochs", "before": 20, "value": 8}
    finding = {
        "name": "overfitting",
        "title": "the validation loss turned up",
        "severity": "likely",
        "seen": "lowest 0.7",
        "step": 3,
        "remedies": [{"action": "stop earlier", "changes": [change]}],
    }
    events.write("finding", step=3, finding=finding)
    events.write("end", status="completed", step=4, reason="")
    server, address = start_in_thread(tmp_path, 18500)
    with Visit(browser, address) as visit:
        banner = visit.page.locator("#banner.watch")
        banner.wait_for(timeout=90_000)
        assert banner.inner_text().endswith(
            "Step 3: the validation loss turned up: lowest 0.7. Try: stop earlier (train.epochs: 20 -> 8)."
        )
        assert "ok" not in str(banner.get_attribute("class")) and visit.problems == []
    server.should_exit = True

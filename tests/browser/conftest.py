"""A real Chromium on the real server of a finished tiny project."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tiny

CHROMIUM = (
    os.environ.get("CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
    or shutil.which("google-chrome")
)


@dataclass
class Served:
    """The running server of a project."""

    project: Path
    state: dict[str, Any]
    key: str

    @property
    def page(self) -> str:
        return f"{self.state['url']}/#key={self.key}"


@pytest.fixture(scope="session")
def served(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The finished tiny project and the base model's own file, served as ``make deploy`` does."""
    project = tiny.copy_project(finished, tmp_path_factory.mktemp("served"))
    tiny.set_config(project, **{"deploy.level": "q8_0"})
    made = tiny.snakemake(project, "outputs/main/base.json", "--allowed-rules", "convert_base")
    assert made.returncode == 0, tiny.get_rules_error(made)
    done = tiny.run(sys.executable, "scripts/serve_model.py", "start", "--open", cwd=project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    try:
        state = json.loads((project / "outputs/serve.json").read_text())
        yield Served(project, state, (project / "outputs/.serve.key").read_text().strip())
    finally:
        tiny.run(sys.executable, "scripts/serve_model.py", "stop", cwd=project)
        shutil.rmtree(Path(json.loads((project / "outputs/main/base.json").read_text())["file"]).parent)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH: apt-get install chromium, or set CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[dev]")
    with playwright.sync_playwright() as driver:
        # a container of its own user namespace has no sandbox for root
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, served: Served) -> Iterator[Any]:
    """The chat page, ready; a script error or a broken promise of it fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(served.page)
    wait_ready(page)
    yield page
    context.close()
    assert not errors, errors


def wait_ready(page: Any) -> None:
    page.get_by_text("ready", exact=True).wait_for(timeout=60_000)
    page.locator("#send:not(.stop)").wait_for(timeout=60_000)


def evaluate(page: Any, expression: str) -> Any:
    """Run a script in the page through the debugger: the page's policy forbids evaluating strings."""
    session = page.context.new_cdp_session(page)
    try:
        options = {
            "expression": expression,
            "returnByValue": True,
            "awaitPromise": True,
            "allowUnsafeEvalBlockedByCSP": True,
        }
        answer = session.send("Runtime.evaluate", options)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")
    finally:
        session.detach()

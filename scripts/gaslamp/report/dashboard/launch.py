"""Finding the web dashboard of a project, starting it with a run, and a browser only where a person could see it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from typing import Protocol

from gaslamp.core.files import read_json

RECORD = Path("outputs") / "dashboard.json"  # which server shows this project
IDLE_SECONDS = 1800.0  # a server that a run started ends when no tab was open for this long


class DashboardSettings(Protocol):
    """Section ``dashboard`` of the config."""

    open: str
    port: int


def is_person_here() -> bool:
    """Whether somebody at a terminal could see a browser open: no pipe, no CI, no bare SSH."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("CI"):
        return False
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(url: str) -> None:
    """Show ``url`` when a person could see it."""
    if is_person_here():
        webbrowser.open(url)


def find_server(root: Path) -> str | None:
    """The address of the dashboard that already shows ``root``, or ``None``."""
    import httpx

    if not (root / RECORD).is_file():
        return None
    try:
        url = f"http://127.0.0.1:{int(read_json(root / RECORD)['port'])}"
        answer = httpx.get(f"{url}/api/health", timeout=2, trust_env=False)
        return url if answer.json()["project"] == str(root.resolve()) else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def open_at_start(root: Path, settings: DashboardSettings) -> None:
    """Open the page at the start of a run, when a person could see it and the config does not forbid it.

    Args:
        root: the project.
        settings: section ``dashboard`` of the config.
    """
    if settings.open == "never" or not is_person_here():
        return
    url = find_server(root)
    if url is None:
        (root / "logs").mkdir(exist_ok=True)
        with (root / "logs" / "dashboard.log").open("ab") as log:
            subprocess.Popen(
                [
                    sys.executable,
                    "scripts/watch_run.py",
                    "web",
                    "--port",
                    str(settings.port),
                    "--idle",
                    str(IDLE_SECONDS),
                ],
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(40):
            time.sleep(0.25)
            if url := find_server(root):
                break
    if url:
        print(f"[dashboard] {url} (dashboard.open: never in config.yaml keeps it closed)", flush=True)
        webbrowser.open(url)

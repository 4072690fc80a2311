"""Screenshots of the chat page of a served project, with real answers.

    python tests/browser/shoot.py PROJECT OUT.png [WIDTHxHEIGHT] [light|dark]

Start the server first (``make deploy`` in the project). docs/images/chat.png was made with it.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path


def main(project: Path, out: Path, size: str = "1280x720", scheme: str = "light") -> None:
    from playwright.sync_api import sync_playwright

    state = json.loads((project / "outputs/serve.json").read_text(encoding="utf-8"))
    key = (project / "outputs/.serve.key").read_text(encoding="utf-8").strip()
    width, height = (int(part) for part in size.split("x"))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.goto(f"{state['url']}/#key={key}")
        page.locator("#seeds button").first.wait_for()
        page.click("#open-settings")
        page.click("#greedy")
        page.fill("#max_tokens", "90")
        page.click("#close-settings")
        page.locator("#seeds button").nth(1).click()
        page.locator("#send:not(.stop)").wait_for(timeout=300_000)
        page.locator(".reference summary").click()
        page.locator("#prompt").focus()
        page.screenshot(path=str(out))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])

"""A vision model: the chat page takes images, and the answer depends on the image that was sent."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import tiny
from gaslamp.core.files import read_json
from gaslamp.export.llamacpp.convert import convert_to_gguf
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.serve.chat.page import build_page, write_facts

from browser.conftest import wait_ready

FACTS = {
    "name": "digits",
    "served": "model.gguf",
    "about": ["a tiny model"],
    "welcome": "Send a picture.",
    "system": "",
    "seeds": [],
    "columns": [{"id": "tuned", "title": "Tuned", "file": "model.gguf", "note": "", "url": "", "request": {}}],
}


def draw(color: tuple[int, int, int]) -> dict[str, Any]:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (1600, 1200), color).save(data, "PNG")
    return {"name": "digit.png", "mimeType": "image/png", "buffer": data.getvalue()}


def test_images_reach_a_vision_model(browser: Any, finished: Path, tmp_path: Path) -> None:
    toolchain = read_json(finished / "resources" / "llama.cpp" / "toolchain.json")
    checkpoint, folder = tiny.write_idefics_checkpoint(tmp_path / "model"), tmp_path / "page"
    convert_to_gguf(toolchain, checkpoint, tmp_path / "model.gguf")
    convert_to_gguf(toolchain, checkpoint, tmp_path / "mmproj.gguf", mmproj=True)
    build_page(folder, "general")
    write_facts(folder, FACTS)
    server = LlamaServer(
        toolchain,
        tmp_path / "model.gguf",
        log=tmp_path / "server.log",
        mmproj=tmp_path / "mmproj.gguf",
        page=folder,
        context=1024,
        alias="digits",
    )
    with server:
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        requests: list[dict[str, Any]] = []
        page.on(
            "request", lambda request: requests.append(request.post_data_json) if request.method == "POST" else None
        )
        page.goto(server.state["url"])
        wait_ready(page)
        page.click("#open-settings")
        page.click("#greedy")
        page.fill("#max_tokens", "12")
        page.click("#close-settings")
        answers = []
        for color in ((200, 10, 10), (10, 200, 10), (200, 10, 10)):
            page.set_input_files("#file", draw(color))
            page.locator("#images figure").wait_for()
            page.fill("#prompt", "what digit")
            page.press("#prompt", "Enter")
            wait_ready(page)
            answers.append(page.locator(".answers .body").last.inner_text())
            page.click("#new")
        assert answers[0] == answers[2] != answers[1]
        kinds = [part["type"] for part in requests[-1]["messages"][-1]["content"]]
        assert sorted(kinds) == ["image_url", "text"] and errors == []
        page.close()

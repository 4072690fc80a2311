"""The page of make review and make label in a real browser: by keyboard alone, in two tabs, narrow and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gaslamp.core.files import read_jsonl, write_jsonl
from gaslamp.data.review.desk import LabelDesk, ReviewDesk
from gaslamp.interfaces.label.server import start_in_thread

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "<img src=x onerror=alert(1)></textarea><script>alert(2)</script>"
PATIENCE = 90_000  # ms


def make_rows(count: int) -> list[dict[str, Any]]:
    questions = [HOSTILE, *(f"Where is parcel {n}? " + "It was sent long ago. " * n for n in range(1, count))]
    return [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"answer {n}"}]}
        for n, text in enumerate(questions)
    ]


@pytest.fixture
def review(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    origin = {"generated_by": "m", "temperature": 0.7, "style": "plain", "document": None}
    lines = [
        {"id": f"generated-{n}", "row": row, "score": 7.0 + n / 10, "why": HOSTILE, "origin": origin}
        for n, row in enumerate(make_rows(12))
    ]
    write_jsonl(tmp_path / "candidates.jsonl", lines)
    server, url = start_in_thread(ReviewDesk(tmp_path / "candidates.jsonl", tmp_path / "review.jsonl"), 18600)
    yield url, tmp_path / "review.jsonl"
    server.should_exit = True


def open_page(browser: Browser, url: str, problems: list[str], **options: Any) -> Page:
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if "Content Security" in message.text else None)
    page.on("dialog", lambda dialog: problems.append(f"dialog {dialog.message}"))
    page.goto(url)
    page.wait_for_selector("#list button")
    return page


def wait_for(page: Page, text: str, selector: str = "#count") -> None:
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector).textContent.includes(text)", arg=[selector, text]
    )


def test_a_review_by_keyboard(browser: Browser, review: tuple[str, Path]) -> None:
    url, file = review
    problems: list[str] = []
    page = open_page(browser, url, problems)
    assert page.input_value("#parts textarea") == HOSTILE and HOSTILE in page.inner_text("#notes")
    page.keyboard.press("k")
    wait_for(page, "1 of 12")
    page.keyboard.press("d")
    wait_for(page, "2 of 12")
    page.keyboard.press("e")
    assert page.evaluate("document.activeElement.dataset.key") == "messages.1", "the answer"
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("next day, kept dry")  # letters are text here, no commands
    assert page.inner_text("#state") == "not saved"
    page.keyboard.press("Control+Enter")
    wait_for(page, "3 of 12")
    page.keyboard.press("n")
    page.keyboard.press("p")
    assert page.inner_text("#which") == "Row 4 of 12"
    lines = list(read_jsonl(file))
    assert [line["decision"] for line in lines] == ["keep", "drop", "edit"]
    assert lines[2]["row"]["messages"][1]["content"] == "next day, kept dry"
    page.keyboard.press("u")
    wait_for(page, "2 of 12")
    assert page.inner_text("#which") == "Row 3 of 12" and len(list(read_jsonl(file))) == 2
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.select_option("#filter", "drop")
    assert page.locator("#list button").count() == 1
    assert problems == []
    page.context.close()


def test_two_tabs_lose_nothing(browser: Browser, review: tuple[str, Path]) -> None:
    url, file = review
    problems: list[str] = []
    one, other = (open_page(browser, url, problems) for _ in range(2))
    one.fill("[data-key='messages.1']", "from the first tab")
    other.fill("[data-key='messages.1']", "from the second tab")
    other.click("#save")
    wait_for(other, "1 of 12")
    one.evaluate("window.dispatchEvent(new Event('focus'))")
    one.click("#save")
    wait_for(one, "changed elsewhere", "#banner")
    assert "from the second tab" in one.inner_text("#banner")
    assert one.input_value("[data-key='messages.1']") == "from the first tab", "what was typed stays"
    assert [line["row"]["messages"][1]["content"] for line in read_jsonl(file)] == ["from the second tab"]
    one.click("text=Save mine")
    wait_for(one, "1 of 12")
    assert [line["row"]["messages"][1]["content"] for line in read_jsonl(file)] == ["from the first tab"]
    assert problems == []
    for page in (one, other):
        page.context.close()


def test_a_server_that_ends_loses_nothing(browser: Browser, review: tuple[str, Path]) -> None:
    url, file = review
    page = open_page(browser, url, [])
    page.fill("[data-key='messages.1']", "typed")
    page.route("**/api/change", lambda route: route.abort())
    page.click("#save")
    wait_for(page, "What you typed stays", "#banner")
    page.unroute("**/api/change")
    page.click("#save")
    wait_for(page, "1 of 12")
    assert [line["row"]["messages"][1]["content"] for line in read_jsonl(file)] == ["typed"]
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_rows_by_hand_fit_every_screen(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    rows = [{**row, "id": f"{n:016x}"} for n, row in enumerate(make_rows(12))]
    (tmp_path / "data").mkdir()
    write_jsonl(tmp_path / "data" / "test.jsonl", rows)
    desk = LabelDesk(tmp_path / "data", tmp_path / "raw" / "labels.jsonl", "conversation", None, None, "slice")
    desk.classes = ["billing", "delivery"]
    server, url = start_in_thread(desk, 18600)
    problems: list[str] = []
    try:
        page = open_page(browser, url, problems, viewport={"width": width, "height": 900}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("2")
        page.keyboard.press("s")
        wait_for(page, "1 of 12")
        page.keyboard.press("a")
        wait_for(page, "1 of 13")  # until then the fields are those of the row before
        page.keyboard.type("A question of my own?")
        page.fill("[data-key='messages.1']", "An answer.")
        page.click("#save")
        wait_for(page, "2 of 13")
        lines = list(read_jsonl(tmp_path / "raw" / "labels.jsonl"))
        assert [line["messages"][1]["content"] for line in lines] == ["delivery", "An answer."]
        assert lines[0]["replaces"] == rows[0]["id"] and lines[0]["split"] == "test" and "replaces" not in lines[1]
        assert problems == []
        page.context.close()
    finally:
        server.should_exit = True

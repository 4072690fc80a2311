"""The data page in a browser: all rows, searched, paged, by split and part, kept in the address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_pages import make_data_page
from facts import HOSTILE
from gaslamp.config.schema import Config
from gaslamp.models.fetch import fetch_model


@pytest.fixture(scope="module")
def page_file(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data_rows")
    fetch_model(Config.model_validate({"model": {"source": str(tiny_model)}}).model, folder / "model.json")
    rows = [
        {"question": f"Where is town {n}?", "answer": f"In valley {n * 7}", "part": ["new", "old"][n % 2]}
        for n in range(120)
    ]
    rows[7]["question"] = HOSTILE
    split = {"valid": 0.1, "test": 0.2, "seed": 1, "max_test": 200}
    columns = {"prompt": "question", "completion": "answer"}
    _, card, _ = make_data_page(folder, rows, split=split, slice="part", columns=columns)
    assert card.rows["train"] + card.rows["valid"] + card.rows["test"] == 120
    return folder / "data/report.html"


def test_all_rows_are_searched_and_paged(browser: Any, page_file: Path) -> None:
    page = browser.new_page()
    page.set_default_timeout(90_000)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(page_file.as_uri())
    assert page.text_content("#shown") == "120 rows, page 1 of 5" and page.locator(".found").count() == 25
    assert page.locator("#before").is_disabled()
    page.click("#after")
    assert page.text_content("#shown") == "120 rows, page 2 of 5" and "page=2" in page.url
    page.fill("#words", "town 11")
    wanted = [n for n in range(120) if "11" in f"{n} {n * 7}"]
    assert page.text_content("#shown") == f"{len(wanted)} rows" and "page" not in page.url
    page.select_option("#slice", "new")
    new = f"{sum(n % 2 == 0 for n in wanted)} rows"
    assert page.text_content("#shown") == new and set(page.locator(".found .fact").all_text_contents()) == {"new"}
    page.reload()
    assert page.text_content("#shown") == new, "the address keeps what is looked at"
    page.fill("#words", "")
    page.select_option("#slice", "")
    page.select_option("#split", "test")
    names = page.locator(".found header b").all_text_contents()
    assert names and all(name.startswith("test row ") for name in names)
    assert "one of " in (page.text_content("main") or ""), "each part has a row among those with tokens"
    assert page.evaluate("document.querySelectorAll('script').length") == 2 and not problems

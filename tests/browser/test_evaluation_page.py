"""The evaluation page in a browser: wrong rows first, by what is wrong, kept in the address, built while scrolling."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from facts import HOSTILE
from planted_answers import chat, compare

N = 2000  # rows; measured by hand with 10,000: 0.8 s


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 orders as JSON: 30 with a wrong size, 20 with no JSON, 10 lost; one row is hostile."""
    folder = tmp_path_factory.mktemp("evaluation")
    wanted = [{"item": f"tea {n}", "size": "M"} for n in range(N)]
    rows = [chat(f"r{n}", f"order {n}", json.dumps(value)) for n, value in enumerate(wanted)]
    rows = [{**row, "slice": "new" if n % 2 else "old"} for n, row in enumerate(rows)]
    rows[5]["messages"][0]["content"] = HOSTILE
    tuned = [json.dumps(value | ({"size": "L"} if 1000 <= n < 1030 else {})) for n, value in enumerate(wanted)]
    tuned[1500:1520] = ["tea, please"] * 20
    base = [text if n in range(1000, 1010) else "?" for n, text in enumerate(map(json.dumps, wanted))]
    compare(folder, [], rows, base, tuned, page=True)
    return (folder / "page").rename(folder / "page.html")


def visit(browser: Any, file: Path, place: str = "", **view: Any) -> tuple[Any, list[str]]:
    page = browser.new_page(**view)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(file.as_uri() + place)
    page.locator(".row, #none:not([hidden])").first.wait_for()
    return page, problems


def get_ids(page: Any) -> list[str]:
    return [str(text) for text in page.locator(".row .id").all_text_contents()]


def test_wrong_rows_come_first_and_are_grouped(browser: Any, page_file: Path) -> None:
    page, problems = visit(browser, page_file)
    assert page.text_content("#wrong .lede").startswith("50 of 2000 rows (2.5 %).")
    assert page.locator(".mistakes tbody tr td:nth-child(-n+2)").all_text_contents() == [
        "Field size wrong", "30", "No JSON", "20",
    ]  # fmt: skip
    ids = get_ids(page)
    assert set(ids[:10]) == {f"r{n}" for n in range(1000, 1010)}, "lost rows before those that were wrong already"
    assert len(ids) == 40 and page.locator("*").count() < 3000, "only what is looked at is built"
    assert page.locator(".row").first.locator("pre.tuned mark").all_text_contents() == ["L"]
    page.locator(".mistakes button").nth(1).click()
    assert page.text_content("#shown") == "20 rows" and set(get_ids(page)) == {f"r{n}" for n in range(1500, 1520)}
    assert "group=mistake%3Ano+JSON" in page.url and not problems


def test_the_filters_stand_in_the_address_and_more_rows_come_by_scrolling(browser: Any, page_file: Path) -> None:
    page, problems = visit(browser, page_file, "#show=wrong&part=new&sort=file")
    assert page.input_value("#show") == "wrong" and page.text_content("#shown") == "25 rows"
    assert get_ids(page)[0] == "r1001"
    page.select_option("#show", "improved")
    page.select_option("#part", "")
    assert page.text_content("#shown") == "1,950 rows" and "show=improved" in page.url and "part=" not in page.url
    page.reload()
    page.locator(".row").first.wait_for()
    assert page.text_content("#shown") == "1,950 rows"
    page.locator("#end").scroll_into_view_if_needed()
    page.locator(".row").nth(45).wait_for(timeout=90_000)
    page.fill("#words", "order 1777")
    assert get_ids(page) == ["r1777"]
    page.fill("#words", "nothing like this")
    assert page.locator("#none").is_visible() and not problems
    page, problems = visit(browser, page_file, "#show=no-such-thing&group=finding:x")
    assert page.text_content("#shown") == "2,000 rows" and not problems, "an address of another version shows all"


def test_rows_are_saved_as_csv(browser: Any, page_file: Path) -> None:
    page, problems = visit(browser, page_file, "#group=mistake:no+JSON")
    with page.expect_download(timeout=90_000) as download:
        page.click("#csv")
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 20 and lines[0]["tuned"] == "tea, please" and lines[0]["mistakes"] == "no JSON"
    assert not problems


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_it_fits_and_runs_nothing_foreign(browser: Any, page_file: Path, width: int, scheme: str) -> None:
    page, problems = visit(
        browser, page_file, "#words=alert", viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    assert get_ids(page) == ["r5"] and page.locator(".row img").count() == 0
    assert page.text_content(".row .prompt p") == HOSTILE and not problems
    assert page.evaluate("document.documentElement.scrollWidth") <= width

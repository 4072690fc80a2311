"""The demo page from disk, in a real browser: no network, no script of a model, accessible, every width."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import facts
import method_facts
import pytest
from gaslamp.config.slices import parse_slice
from gaslamp.export.ladder_page import render_svg
from gaslamp.report.demo.files_page import render_files_page
from gaslamp.report.demo.page import render_page
from gaslamp.report.demo.words import get_languages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def write_page(
    folder: Path,
    theme: str = "auto",
    language: str = "en",
    hostile: bool = False,
    domain: str = "support",
    files: bool = True,
    method: str = "sft",
) -> str:
    name = facts.HOSTILE if hostile else "cafe"
    settings = {
        "method": method,
        "demo": {"theme": theme, "title": None, "examples": 6, "language": language, "style": None},
        "project": {"name": name, "task": name, "audience": name, "domain": domain},
    }
    file = folder / "index.html"
    parsed = parse_slice(json.dumps(settings))
    run = method_facts.for_method(method)
    compare = facts.compare(hostile) if method == "sft" else run["compare"]
    file.write_text(render_page(compare, run["train"], facts.model(), parsed, "ab" * 32), encoding="utf-8")  # type: ignore[arg-type]
    if files:
        (folder / "files.html").write_text(
            render_files_page(
                facts.ladder(),
                facts.parity(),
                parsed,
                "cd" * 32,
                facts.compare(hostile),
                {example.id: f"{example.tuned} ." for example in facts.compare(hostile).examples},
            ),
            encoding="utf-8",
        )
        (folder / "ladder.svg").write_text(render_svg(facts.ladder()), encoding="utf-8")
    return file.as_uri()


def visit(browser: Browser, url: str, width: int = 1440, scheme: Any = "light") -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else problems.append(request.url)
    )
    page.goto(url)
    return page, problems


@pytest.mark.parametrize("language", get_languages())
def test_every_language_fits_every_width(browser: Browser, tmp_path: Path, language: str) -> None:
    page, problems = visit(browser, write_page(tmp_path, language=language))
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
    assert page.locator(".panel:not(.off)").count() == 1 and not re.search(r"\{\w+\}", page.inner_text("#position"))
    page.locator("#files a").first.click()  # the page of the files, in the same words
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
    assert (
        page.locator("tbody tr").count() == 3
        and "q8_0" in page.inner_text("h1")
        and not re.search(r"\{\w+\}", page.inner_text("body"))
    )
    page.close()
    assert problems == []


@pytest.mark.parametrize("method", ["kto", "grpo"])
def test_a_score_with_a_unit_stays_in_its_box(browser: Browser, tmp_path: Path, method: str) -> None:
    page, _ = visit(browser, write_page(tmp_path, method=method))
    for width in (1440, 1024, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        box, figure = (page.locator(place).bounding_box() for place in (".score", ".figure .to"))
        assert box and figure and figure["x"] + figure["width"] <= box["x"] + box["width"], width
    page.close()


def test_without_files_no_link_leads_to_them(browser: Browser, tmp_path: Path) -> None:
    page, problems = visit(browser, write_page(tmp_path, files=False))
    page.wait_for_load_state("networkidle")
    assert not page.locator("#files").is_visible() and all("ERR_FILE_NOT_FOUND" in problem for problem in problems)
    page.close()


@pytest.mark.parametrize(
    ("theme", "domain", "scheme"),
    [
        ("auto", "support", "light"),
        ("auto", "support", "dark"),
        ("dark", "code", "light"),
        ("crisp", "education", "light"),
    ],
)
def test_no_barrier(browser: Browser, tmp_path: Path, theme: str, domain: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, problems = visit(browser, write_page(tmp_path, theme, domain=domain), scheme=scheme)
    found = axe.Axe().run(page).response["violations"]
    page.locator("#files a").first.click()
    found += axe.Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"][:120]) for one in found if one["impact"] in ("serious", "critical")
    ] == []
    page.close()


def test_the_keyboard_changes_the_example(browser: Browser, tmp_path: Path) -> None:
    page, problems = visit(browser, write_page(tmp_path))
    page.keyboard.press("ArrowRight")
    assert (
        page.inner_text("#position").startswith("2 of")
        and page.locator("#tab-1").get_attribute("aria-selected") == "true"
    )
    page.locator("#tab-1").focus()
    page.keyboard.press("End")
    last = page.locator("[role=tab]").count() - 1
    assert page.evaluate("document.activeElement.id") == f"tab-{last}" and problems == []
    page.close()


def test_hostile_answers_run_nothing(browser: Browser, tmp_path: Path) -> None:
    page, problems = visit(browser, write_page(tmp_path, hostile=True))
    for place in range(page.locator("[role=tab]").count()):
        page.locator(f"#tab-{place}").click()
    assert page.locator("main img:not(#ladder), main script, main iframe").count() == 0 and problems == []
    page.close()


def test_it_prints_every_example(browser: Browser, tmp_path: Path) -> None:
    page, _ = visit(browser, write_page(tmp_path))
    page.emulate_media(media="print")
    panels = page.locator(".panel")
    assert (
        all(panels.nth(place).is_visible() for place in range(panels.count()))
        and not page.locator(".picker").is_visible()
    )
    page.close()

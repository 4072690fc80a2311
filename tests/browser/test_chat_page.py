"""The chat page in Chromium on the real llama-server: what a person does, and what hostile text must not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.serve.chat.repetition import find_repetition

from browser.conftest import Served, evaluate, wait_ready
from browser.injections import INJECTIONS
from browser.repetitions import KEPT, REPEATED

TAGS = {
    "p",
    "strong",
    "em",
    "del",
    "code",
    "pre",
    "figure",
    "figcaption",
    "span",
    "button",
    "h3",
    "hr",
    "blockquote",
    "ul",
    "ol",
    "li",
    "div",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}
ATTRIBUTES = {"class", "type", "aria-label", "tabindex", "role", "start"}


def answer_with(text: str, pieces: int = 7) -> str:
    """``text`` as llama-server streams it, cut at odd places."""
    step = max(1, len(text) // pieces)
    parts: list[dict[str, Any]] = [
        {"choices": [{"delta": {"content": text[at : at + step]}, "finish_reason": None}]}
        for at in range(0, len(text), step)
    ]
    parts.append(
        {
            "choices": [],
            "usage": {"prompt_tokens": 5, "completion_tokens": 7},
            "timings": {"predicted_n": 7, "predicted_per_second": 70.0},
        }
    )
    return "".join(f"data: {json.dumps(part)}\n\n" for part in parts) + "data: [DONE]\n\n"


def echo(route: Any) -> None:
    """Answer with the words of the last message."""
    content = route.request.post_data_json["messages"][-1]["content"]
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    route.fulfill(content_type="text/event-stream", body=answer_with(text))


def ask(page: Any, text: str) -> None:
    page.fill("#prompt", text)
    page.press("#prompt", "Enter")
    wait_ready(page)


def set_max_tokens(page: Any, count: int) -> None:
    page.click("#open-settings")
    page.fill("#max_tokens", str(count))
    page.click("#close-settings")
    page.focus("#prompt")


def test_base_and_tuned_answer_the_same_prompt(page: Any, served: Served) -> None:
    assert "model-q8_0.gguf" in page.inner_text("#served") and "parity passed" in page.inner_text("#served")
    requests: list[tuple[str, dict[str, Any]]] = []
    page.on(
        "request",
        lambda request: requests.append((request.url, request.post_data_json)) if request.method == "POST" else None,
    )
    page.click("#open-settings")
    page.fill("#temperature", "0")
    page.fill("#max_tokens", "12")
    page.fill("#seed", "7")
    page.click("#close-settings")
    seed = page.locator("#seeds button").first
    prompt = seed.inner_text()
    seed.click()
    wait_ready(page)
    assert page.inner_text(".bubble") == prompt
    assert page.inner_text(".card.tuned .body").strip() == "ok"
    base = page.inner_text(".card.base .body")
    assert base.strip() not in ("", "ok", "…")
    assert "12 tokens" in page.inner_text(".card.base .facts") and "max tokens reached" in page.inner_text(
        ".card.base .facts"
    )
    assert "tokens/s" in page.inner_text(".card.tuned .facts")
    tuned, base = (f"{served.state['columns'][name]['url']}/v1/chat/completions" for name in ("tuned", "base"))
    assert [url for url, _ in requests] == [tuned, base], "tuned first"
    assert all(body["temperature"] == 0 and body["seed"] == 7 and body["top_p"] == 0.9 for _, body in requests)
    page.click(".reference summary")
    assert page.inner_text(".reference p") == "ok"
    # the second turn remembers the first, each column its own answer
    ask(page, "2 tea for Ana")
    second = {url: [message["content"] for message in body["messages"]] for url, body in requests[2:]}
    assert second[tuned] == [prompt, "ok", "2 tea for Ana"] and second[base][0] == prompt and second[base][1] != "ok"
    # compared no longer: one request, one card
    page.uncheck("#compare")
    ask(page, "3 soup for Eve")
    assert len(requests) == 5 and page.locator("article:last-child .card").count() == 1


def test_an_answer_that_repeats_itself_is_cut_with_a_note(page: Any) -> None:
    """By the rule of the terminal chat; the rest of the answer is not generated, and export says it."""
    texts = [text for text, _ in REPEATED] + KEPT
    cuts = [evaluate(page, f"findRepetition({json.dumps(text)})") for text in texts]
    # both count UTF-16 units where no character takes two
    assert [cut for text, cut in zip(texts, cuts, strict=True) if text.isascii()] == [
        find_repetition(text) for text in texts if text.isascii()
    ]
    assert any(cut is not None for cut in cuts) and not any(cuts[len(REPEATED) :])
    page.route("**/v1/chat/completions", echo)
    page.uncheck("#compare")
    ask(page, REPEATED[0][0])
    assert page.inner_text(".card.tuned .body").strip() == "The answer is: I am sorry. I am sorry."
    assert "cut: it repeats itself" in page.inner_text(".card.tuned .facts")
    assert "stopped by you" not in page.inner_text(".card.tuned .facts")
    page.click("#open-settings")
    page.uncheck("#cut")
    page.click("#close-settings")
    page.get_by_label("Regenerate the answers").click()
    wait_ready(page)
    assert page.inner_text(".card.tuned .body").count("I am sorry.") == 60


def test_edit_regenerate_stop_and_new(page: Any) -> None:
    set_max_tokens(page, 8)
    ask(page, "1 tea for Ana")
    ask(page, "2 latte for Ben")
    page.get_by_label("Edit your message").first.click()
    box = page.get_by_role("textbox", name="Your message")
    box.fill("4 mocha for Dan")
    box.press("Enter")
    wait_ready(page)
    assert page.locator("article").count() == 1 and page.inner_text(".bubble") == "4 mocha for Dan"
    page.get_by_label("Regenerate the answers").click()
    wait_ready(page)
    assert page.locator("article").count() == 1 and page.inner_text(".card.tuned .body").strip() == "ok"
    # Shift+Enter is a new line; Esc ends a long answer (the server must go on after the end token) and keeps its text
    page.route(
        "**/v1/chat/completions",
        lambda route: route.continue_(post_data=json.dumps({**route.request.post_data_json, "ignore_eos": True})),
    )
    set_max_tokens(page, 1500)
    page.press("#prompt", "Shift+Enter")
    page.locator("#prompt").press_sequentially("x")
    assert page.input_value("#prompt") == "\nx"
    page.press("#prompt", "Enter")
    page.locator("article:last-child .card.streaming").first.wait_for()
    page.keyboard.press("Escape")
    wait_ready(page)
    assert page.locator("article:last-child .facts", has_text="stopped by you").count() == 2
    page.click("#new")
    assert page.locator("article").count() == 0 and page.locator("#seeds button").first.is_visible()


def test_injections_stay_text(page: Any, served: Served) -> None:
    assert len(set(INJECTIONS)) >= 200
    requests: set[str] = set()
    surprises: list[str] = []
    page.on("request", lambda request: requests.add(request.url))
    page.on("dialog", lambda dialog: (surprises.append(dialog.message), dialog.dismiss()))
    page.on("popup", lambda popup: surprises.append(popup.url))
    page.on("framenavigated", lambda frame: surprises.append(frame.url))
    page.route("**/v1/chat/completions", echo)
    page.uncheck("#compare")
    for text in INJECTIONS:
        ask(page, text)
    found = evaluate(
        page,
        """(() => {
        const bodies = [...document.querySelectorAll(".card .body")];
        const nodes = bodies.flatMap((body) => [...body.querySelectorAll("*")]);
        return {
            count: bodies.length, pwned: window.pwned ?? null,
            tags: [...new Set(nodes.map((node) => node.localName))],
            attributes: [...new Set(nodes.flatMap((node) => node.getAttributeNames()))],
            classes: [...new Set(nodes.flatMap((node) => [...node.classList]))],
            labels: nodes.filter((node) => node.hasAttribute("aria-label"))
                .map((node) => node.getAttribute("aria-label")),
            users: [...document.querySelectorAll(".bubble")]
                .map((bubble) => [bubble.textContent, bubble.childElementCount]),
        };
    })()""",
    )
    assert found["count"] == len(INJECTIONS) and found["pwned"] is None
    assert set(found["tags"]) <= TAGS and set(found["attributes"]) <= ATTRIBUTES, found
    assert set(found["classes"]) <= {"code", "wrap", "url", "table"}
    assert found["users"] == [[text, 0] for text in INJECTIONS]
    # as plain text every answer is, to the letter, what the model said
    page.click("#open-settings")
    page.select_option("#view", "plain")
    page.click("#close-settings")
    shown = evaluate(
        page, "[...document.querySelectorAll('.card .body')].map((body) => [body.textContent, body.childElementCount])"
    )
    assert shown == [[text, 0] for text in INJECTIONS]
    assert not surprises and all(url.startswith(served.state["url"]) for url in requests), (surprises, requests)
    assert {url.removeprefix(served.state["url"]) for url in requests} <= {"/v1/chat/completions", "/health"}


def test_markdown(page: Any) -> None:
    text = (
        "# Title\nfirst *soft* **strong `code`** ~~gone~~ snake_case_name 2 * 3 * 4\nsecond line\n\n"
        "- one\n- two\n  - inner\n    - deep\n\n"
        "3. three\n4. four\n\n> quoted\n> > twice\n\n| a | b |\n|---|:-:|\n| 1 | 2\\|3 |\n\n---\n\n"
        "```python\nif a < b:\n    print('*')\n```\n"
        "[link](https://example.org/x) \\*stars\\*"
    )
    page.route("**/v1/chat/completions", echo)
    page.uncheck("#compare")
    ask(page, text)
    html = evaluate(page, "document.querySelector('.card .body').innerHTML")
    for part in (
        "<h3>Title</h3>",
        "<em>soft</em>",
        "<strong>strong <code>code</code></strong>",
        "<del>gone</del>",
        "snake_case_name 2 * 3 * 4\nsecond line",
        "<ul><li>one</li><li>two<ul><li>inner<ul><li>deep</li></ul></li></ul></li></ul>",
        '<ol start="3"><li>three</li><li>four</li></ol>',
        "<blockquote><p>quoted</p><blockquote><p>twice</p></blockquote></blockquote>",
        "<th>a</th><th>b</th>",
        "<td>1</td><td>2|3</td>",
        "<hr>",
        "<code>if a &lt; b:\n    print('*')</code>",
        '<p>link <span class="url">(https://example.org/x)</span> *stars*</p>',
    ):
        assert part in html, (part, html)
    page.get_by_label("Copy code").click()
    page.get_by_text("Copied").first.wait_for()
    assert evaluate(page, "navigator.clipboard.readText()") == "if a < b:\n    print('*')"
    ask(page, '{"qty": 1, "item": "a_b_c *x*"}')
    assert page.inner_text("article:last-child .code code") == '{"qty": 1, "item": "a_b_c *x*"}'
    # hours of emphasis marks and endless nesting are drawn at once
    for long in ("*_`[" * 3000, "> " * 500 + "x", "- " * 500 + "x", "|" * 5000):
        ask(page, long)


def test_export(page: Any, served: Served, tmp_path: Path) -> None:
    page.route("**/v1/chat/completions", echo)
    ask(page, "say ```` four")
    for button, name in (("#export-json", "talk.json"), ("#export-md", "talk.md")):
        page.click("#export summary")
        with page.expect_download() as download:
            page.click(button)
        download.value.save_as(tmp_path / name)
    value = json.loads((tmp_path / "talk.json").read_text())
    assert value["turns"][0]["user"] == "say ```` four" and set(value["turns"][0]["answers"]) == {"base", "tuned"}
    assert (
        value["turns"][0]["answers"]["tuned"]["text"] == "say ```` four"
        and value["turns"][0]["settings"]["temperature"] == 0.7
    )
    text = (tmp_path / "talk.md").read_text()
    assert "`````\nsay ```` four\n`````" in text and "## Tuned" in text
    assert served.key not in text + json.dumps(value)


def test_images_for_a_vision_model(page: Any, served: Served, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (2400, 1200), "teal").save(tmp_path / "wide.png")
    assert not page.locator("#attach").is_visible()
    page.route(
        "**/props",
        lambda route: route.fulfill(
            json={"modalities": {"vision": True}, "default_generation_settings": {"n_ctx": 2048}}
        ),
    )
    page.route("**/v1/chat/completions", echo)
    requests: list[dict[str, Any]] = []
    page.on("request", lambda request: requests.append(request.post_data_json) if request.method == "POST" else None)
    page.reload()
    page.locator("#attach").wait_for()
    page.set_input_files("#file", tmp_path / "wide.png")
    page.get_by_label("Remove image 1").wait_for()
    ask(page, "What colour?")
    picture, words = requests[0]["messages"][-1]["content"]
    assert words == {"type": "text", "text": "What colour?"} and picture["image_url"]["url"].startswith(
        "data:image/png;base64,"
    )
    assert evaluate(page, "document.querySelector('.bubble img').naturalWidth") == 1000, (
        "made smaller before it is sent"
    )


def test_problems_are_reported(browser: Any, page: Any, served: Served) -> None:
    page.route(
        "**/v1/chat/completions",
        lambda route: route.fulfill(status=400, json={"error": {"message": "the request exceeds the context"}}),
    )
    ask(page, "hello")
    assert "No answer: the request exceeds the context" in page.inner_text(".card.tuned .body")
    page.unroute("**/v1/chat/completions")
    page.route("**/v1/chat/completions", lambda route: route.abort())
    page.get_by_label("Regenerate the answers").click()
    wait_ready(page)
    assert "the server went away" in page.inner_text(".card.tuned .body")
    other = browser.new_page()
    other.goto(f"{served.state['url']}/#key=wrong")
    other.locator("#banner:not([hidden])").wait_for()
    assert "make deploy printed" in other.inner_text("#banner") and "scone" not in other.content()
    other.goto((served.project / "outputs/.chat/index.html").as_uri())
    other.get_by_text("served by the model's own server").wait_for()
    other.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible_and_fits_every_width(browser: Any, served: Served, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed: pip install -e .[dev]"
    )
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1440, "height": 900}, bypass_csp=True)
    page = context.new_page()
    page.route("**/v1/chat/completions", echo)
    page.goto(served.page)
    page.locator("#seeds button").first.wait_for()
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}

    def check() -> None:
        found = axe.Axe().run(page, options=rules).response["violations"]
        assert not found, [(item["id"], [node["html"][:120] for node in item["nodes"]][:3]) for item in found]

    check()
    for text in (
        "a *b* `c`\n\n> quoted\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[x](https://example.org)\n\n"
        "```js\nlet a = 1;\n```",
        '{"a": 1}',
    ):
        ask(page, text)
    for width in (1440, 768, 390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert evaluate(
            page,
            "document.documentElement.scrollWidth <= innerWidth"
            " && document.querySelector('main').scrollWidth <= document.querySelector('main').clientWidth",
        ), width
    check()
    page.click("#open-settings")
    check()
    page.keyboard.press("Escape")
    # by keyboard alone: each control is reached and shows where the focus is
    page.locator("#prompt").focus()
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(evaluate(page, "document.activeElement.id || document.activeElement.textContent.slice(0, 10)"))
    assert {"send", "new", "open-settings", "compare"} <= seen
    context.close()

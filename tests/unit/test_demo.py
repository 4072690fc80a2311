"""The demo page: nothing a model wrote can become markup, and what is shown is computed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import facts
import pytest
from gaslamp.config import parse_slice
from gaslamp.demo.answers import choose, get_label, lay_out, mark
from gaslamp.demo.page import escape_json, render_page
from gaslamp.demo.themes import ACCENTS, get_colors, get_theme
from gaslamp.files import sha256_path

ROOT = Path(__file__).parents[2]
PROJECT = {"name": "cafe", "task": "", "audience": "", "domain": "support"}


def settings(title: str | None = None, theme: str = "auto", **project: str) -> str:
    return json.dumps({"method": "sft", "demo": {"theme": theme, "title": title, "examples": 6}, "project": PROJECT | project})


def render(hostile: bool = False, title: str | None = None, **project: str) -> str:
    return render_page(facts.compare(hostile), facts.train(), facts.model(), parse_slice(settings(title, **project)), "ab" * 32)


class Page(HTMLParser):
    """Tags in order, and the text of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style") and data.strip():
            self.blocks.append((self.tags[-1][0], data))


def test_hostile_text_adds_no_element() -> None:
    project = {"name": facts.HOSTILE, "task": facts.HOSTILE, "audience": facts.HOSTILE}
    page = Page(render(hostile=True, **project))
    calm = Page(render(hostile=False, name="n", task="t", audience="a"))

    def names(page: Page) -> list[str]:
        return [tag for tag, _ in page.tags]

    assert names(page) == names(calm)
    assert not [tag for tag, attrs in page.tags if any(name.startswith("on") for name in attrs)]


def test_data_round_trips_and_holds_no_markup() -> None:
    text = escape_json({"a": facts.HOSTILE})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": facts.HOSTILE}
    page = Page(render(hostile=True))
    data = json.loads(next(block for kind, block in page.blocks if block.startswith("[")))
    assert "".join(piece for piece, _ in data[0]["base"]["written"]) == facts.examples(hostile=True)[0].base


def test_policy_allows_exactly_the_inline_blocks() -> None:
    page = Page(render())
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and "default-src 'none'" in policy and "unsafe" not in policy
    style = next(block for kind, block in page.blocks if kind == "style")
    script = next(block for kind, block in page.blocks if kind == "script" and block.lstrip().startswith('"use strict"'))
    for block in (style, script):
        assert base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() in policy
    assert not [attrs for _, attrs in page.tags if "style" in attrs]
    assert not re.findall(r'(?:src|href)="(?!#|data:)', render())


def test_title_never_replaces_the_computed_result() -> None:
    text = render(title="The best model in the world")
    assert "The best model in the world" in text and facts.compare().headline in text and "Better than the base model" in text


def test_page_carries_the_hash_of_its_comparison(tmp_path: Path) -> None:
    paths = facts.write_run(tmp_path)
    out = tmp_path / "demos/main/index.html"
    command = [sys.executable, str(ROOT / "scripts/build_demo.py"), "--settings", settings(), "--out", str(out)]
    for name in ("compare", "train", "model"):
        command += [f"--{name}", str(paths[name])]
    subprocess.run(command, check=True)
    first = out.read_bytes()
    assert first.decode().count(sha256_path(paths["compare"])) == 2
    subprocess.run(command, check=True)
    assert out.read_bytes() == first


@pytest.mark.parametrize("limit", range(1, 8))
def test_choice_keeps_the_regression(limit: int) -> None:
    chosen = choose(facts.examples(), limit)
    assert len(chosen) == min(limit, 5)
    kinds = [example.change for example in chosen]
    assert "improved" in kinds
    assert ("regressed" in kinds) == (limit > 1)


def test_choice_when_everything_regressed() -> None:
    worse = [example.model_copy(update={"change": "regressed"}) for example in facts.examples()]
    assert choose(worse, 3) == worse[:3]


def test_label_is_cut_and_answers_are_not() -> None:
    example = facts.examples()[0]
    assert len(get_label(example)) <= 50 and get_label(example).endswith("…")
    assert get_label(facts.examples()[2]) == "four espressos, takeaway, for Priya"


def test_layout_keeps_every_character_of_numbers_and_keys() -> None:
    assert lay_out('{"a": 4.50, "a": 1e3, "ü": [true, null]}') == '{\n  "a": 4.50,\n  "a": 1e3,\n  "ü": [true, null]\n}'
    for text in ("not json", "12", '"word"', '{"a": NaN}', "", "[" * 5000):
        assert lay_out(text) is None


@pytest.mark.parametrize("answer", ["", "one two", "one  green\ntwo", "x" * 9000, "a " * 5000, facts.HOSTILE])
def test_marks_concatenate_to_the_answer(answer: str) -> None:
    assert "".join(piece for piece, _ in mark(answer, "one two three")) == answer


def test_marks_name_the_words_that_differ() -> None:
    assert [piece.strip() for piece, differs in mark("one green tea", "one tea") if differs] == ["green"]
    assert not any(differs for _, differs in mark("one tea", "one tea"))
    assert not any(differs for _, differs in mark("something else entirely here", '{"a": 1}'))


def _luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("domain", ACCENTS)
@pytest.mark.parametrize("dark", [False, True])
def test_contrast(domain: str, dark: bool) -> None:
    colors = get_colors(domain, dark)
    for text in ("ink", "soft", "good", "bad", "accent-text"):
        for ground in ("paper", "card", "recede"):
            assert _contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    assert _contrast(colors["ink"], colors["mark"]) >= 4.5
    for shape in ("accent", "base"):
        assert _contrast(colors[shape], colors["card"]) >= 3, shape


@pytest.mark.parametrize(
    ("theme", "domain", "expected"),
    [("auto", "support", "auto"), ("auto", "code", "dark"), ("crisp", "code", "crisp"), ("dark", "legal", "dark")],
)
def test_theme(theme: str, domain: str, expected: str) -> None:
    assert get_theme(theme, domain) == expected
    colors: dict[str, Any] = get_colors(domain, expected == "dark")
    assert colors["accent"].startswith("#")

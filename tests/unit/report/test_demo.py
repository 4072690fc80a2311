"""The demo page: nothing a model wrote can become markup, and what is shown is computed."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import facts
import method_facts
import pytest
import yaml
from gaslamp.config.methods import get_artefact, get_method
from gaslamp.config.slices import parse_slice, write_merged
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.evaluation_contracts import Baseline
from gaslamp.core.files import sha256_path
from gaslamp.pages.html import escape_json
from gaslamp.pages.numbers import join_units
from gaslamp.report.demo.examples import get_images
from gaslamp.report.demo.files_page import render_files_page
from gaslamp.report.demo.own_style import get_own_style, read_colors
from gaslamp.report.demo.page import render_page, split_headline
from gaslamp.report.demo.words import LANGUAGES, get_languages, read_language

ROOT = Path(__file__).parents[3]
PROJECT = {"name": "cafe", "task": "", "audience": "", "domain": "support"}


def settings(title: str | None = None, theme: str = "auto", demo: dict[str, Any] | None = None, **project: str) -> str:
    return json.dumps(
        {
            "method": "sft",
            "demo": {"theme": theme, "title": title, "examples": 6, "language": "en", "style": None} | (demo or {}),
            "project": PROJECT | project,
        }
    )


def render(hostile: bool = False, title: str | None = None, **project: str) -> str:
    return render_page(
        facts.compare(hostile), facts.train(), facts.model(), parse_slice(settings(title, **project)), "ab" * 32
    )


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
    script = next(
        block for kind, block in page.blocks if kind == "script" and block.lstrip().startswith('"use strict"')
    )
    for block in (style, script):
        assert base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() in policy
    assert not [attrs for _, attrs in page.tags if "style" in attrs]
    assert not re.findall(r'(?:src|href)="(?!#|data:|files\.html(?:#answers)?")', render())


def test_title_never_replaces_the_computed_result() -> None:
    text = render(title="The best model in the world")
    assert (
        "The best model in the world" in text
        and join_units(facts.compare().headline) in text
        and "Better than the base model" in text
    )


def test_the_headline_is_short() -> None:
    """The verdict alone above figures, or what the comparison found and the figures below it."""
    compare = facts.compare()
    figures = "chrF: 20.1 → 31.5 on 200 rows it never saw"
    for answer, expected in (
        ("The tuned model is better", (figures, "")),
        ("No better than always answering “ok” (100.0 %)", ("No better than always answering “ok” (100.0 %)", figures)),
    ):
        found = compare.model_copy(update={"answer": answer, "headline": f"{answer}. {figures}"})
        assert split_headline(found) == expected
    fault = compare.model_copy(update={"answer": "No verdict, since x", "headline": "No verdict, since x"})
    assert split_headline(fault) == ("No verdict, since x", "")


@pytest.mark.parametrize("hostile", [False, True])
def test_the_files_page_has_the_answers_of_the_file_that_ships(hostile: bool) -> None:
    """Marked where they differ from those that were evaluated; rows that the file was not prompted are left out."""
    compare, parsed = facts.compare(hostile), parse_slice(settings())
    first, second, *_ = compare.examples
    shipped = {first.id: first.tuned, second.id: f"{second.tuned} indeed"}
    text = render_files_page(facts.ladder(), facts.parity(), parsed, "cd" * 32, compare, shipped)
    best = facts.ladder().recommended
    assert f"1 of 2 answers of {best} are those of the evaluated model, word for word." in text
    assert text.count("The file answers as the evaluated model did, word for word.") == 1
    assert text.count(f"<h4>{best}, the file that ships</h4>") == 2 and text.count("<h4>As evaluated</h4>") == 1
    assert "<mark> indeed</mark>" in text
    assert html.escape(second.tuned, quote=False) in html.unescape(text) or second.tuned in html.unescape(text)
    assert not [attrs for tag, attrs in Page(text).tags if tag == "script" or "onerror" in attrs]
    none = render_files_page(facts.ladder(), facts.parity(), parsed, "cd" * 32, compare, {})
    assert 'id="answers"' not in none
    assert "before quantization" in render(hostile), "the first page says whose answers it shows"


def test_page_carries_the_hash_of_its_comparison(tmp_path: Path) -> None:
    paths = facts.write_run(tmp_path)
    out = tmp_path / "demos/main/index.html"
    command = [
        sys.executable,
        str(ROOT / "scripts/build_demo.py"),
        "--config",
        str(write_merged(json.loads(settings()), tmp_path)),
        "--out",
        str(out),
    ]
    for name in ("compare", "train", "model"):
        command += [f"--{name}", str(paths[name])]
    subprocess.run(command, check=True)
    first = out.read_bytes()
    assert first.decode().count(sha256_path(paths["compare"])) == 2
    subprocess.run(command, check=True)
    assert out.read_bytes() == first


# ------------------------------------------------------------------------------------------------- languages and styles


@pytest.mark.parametrize("code", get_languages())
def test_every_language_has_every_word(code: str) -> None:
    english, other = (yaml.safe_load((LANGUAGES / f"{name}.yaml").read_text(encoding="utf-8")) for name in ("en", code))
    assert list(other) == list(english)
    for key, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", other[key])) == sorted(re.findall(r"\{\w+\}", text)), key


@pytest.mark.parametrize("code", get_languages())
def test_the_page_is_in_the_language(code: str) -> None:
    words = read_language(code)
    slice_ = parse_slice(settings(demo={"language": code}, audience="Rosa & Co"))
    text = render_page(facts.compare(), facts.train(), facts.model(), slice_, "ab" * 32)
    page = Page(text)
    assert ("html", {"lang": code, "data-theme": "auto"}) in page.tags
    for key in ("better", "measures", "training", "memory", "skip", "noscript"):
        assert html.escape(words[key], quote=False) in text, key
    visible = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r"\{\w+\}", visible) and "Rosa &amp; Co" in text
    if code != "en":
        assert not re.search(r"Better than|How it was|test rows", visible)
    data = next(block for kind, block in page.blocks if block.startswith('{"improved"'))
    assert json.loads(data)["tuned"] == words["tuned"]


@pytest.mark.parametrize("code", get_languages())
def test_what_needs_no_training_and_is_as_good_is_said_in_every_language(code: str) -> None:
    rival = Baseline(name="few_shot", title="few-shot prompting", score=facts.score(0.95), outcome="ahead")
    answer = "The tuned model is better than base, but not than few-shot prompting"
    compare = facts.compare().model_copy(update={"baselines": [rival], "answer": answer})
    words, slice_ = read_language(code), parse_slice(settings(demo={"language": code}))
    text = render_page(compare, facts.train(), facts.model(), slice_, "ab" * 32)
    said = words["unbeaten"].format(verdict=words["better"], names="few-shot prompting")
    assert (answer if code == "en" else said) in text


def test_nothing_improved_is_said() -> None:
    compare = facts.compare().model_copy(update={"verdict": "no clear difference", "gained": 0})
    text = render_page(compare, facts.train(), facts.model(), parse_slice(settings()), "ab" * 32)
    assert "Nothing in these rows improved" in text and "No clear difference from the base model" in text


def test_colours_of_a_design(tmp_path: Path) -> None:
    (tmp_path / "DESIGN.md").write_text(
        "# Brand\n\n| Background | #fff |\n- **Text**: `#101010`\nAccent: #7a1f5c\nShadow: #123456\n"
        "Text about #999999 things\n"
    )
    assert read_colors((tmp_path / "DESIGN.md").read_text()) == {
        "paper": "#ffffff",
        "ink": "#101010",
        "accent": "#7a1f5c",
    }
    slice_ = parse_slice(settings(demo={"style": "DESIGN.md"}))
    text = render_page(facts.compare(), facts.train(), facts.model(), slice_, "ab" * 32, root=tmp_path)
    assert "--accent:#7a1f5c;--accent-text:#7a1f5c" in text
    (tmp_path / "demo.css").write_text("h1{letter-spacing:.1em}")
    assert "letter-spacing:.1em" in get_own_style("demo.css", tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("DESIGN.md", "Text: #cccccc\n", "contrast of 1.6"),
        ("DESIGN.md", "no colours\n", "names no colour"),
        ("demo.css", "</style><script>alert(1)</script>", "holds '</'"),
        ("demo.css", "@import url(https://example.org/x.css);", "@import"),
    ],
)
def test_a_style_that_cannot_be_used(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(GaslampError, match=message):
        get_own_style(name, tmp_path)
    with pytest.raises(GaslampError, match="does not exist"):
        get_own_style("other.css", tmp_path)


def test_images_are_part_of_the_page(tmp_path: Path) -> None:
    row = facts.examples()[0].model_copy(update={"images": ["images/a.png", "images/gone.png", "images/a.html"]})
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"\x89PNG")
    (tmp_path / "images" / "a.html").write_text("<script>")
    assert get_images(row, tmp_path) == ["data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()]


# ------------------------------------------------------------------------------------------------------- every method


def render_method(method: str) -> tuple[str, list[dict[str, Any]]]:
    """The page of a run of ``method``, and the examples in it."""
    run = method_facts.for_method(method)
    text = render_page(run["compare"], run["train"], facts.model(), parse_slice(settings()), "ab" * 32)  # type: ignore[arg-type]
    return text, json.loads(next(block for _, block in Page(text).blocks if block.startswith("[")))


@pytest.mark.parametrize("method", [name for name in registry.names("methods") if get_artefact(name) == "causal_lm"])
def test_the_demo_is_about_the_method_that_ran(method: str) -> None:
    text, examples = render_method(method)
    assert f"{method.upper()} on cpu" in text and "0 trained tokens" not in re.sub(r"\d+,\d+", "", text)
    kinds = get_method(method).KINDS
    if kinds[0] not in ("conversation", "speech"):
        assert not re.search(r"supervised|\bsft\b", re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL), re.I)
    for example in examples:
        assert (example["reference"] == "") == ("".join(piece for piece, _ in example["expected"]["written"]) == "")


def test_an_answer_rated_bad_is_not_expected() -> None:
    _, examples = render_method("kto")
    bad, good = sorted(examples, key=lambda example: example["reference"] == "rated_good")
    assert bad["reference"] == "rated_bad" and bad["expected"]["written"] == [["No.", False]] and not bad["same"]
    assert not any(differs for _, differs in bad["tuned"]["written"])  # nothing to compare with
    assert good["reference"] == "rated_good"
    assert read_language("en")["rated_bad"] == "Answer rated bad"


def test_prompts_without_a_reference_show_no_expected_answer() -> None:
    text, examples = render_method("grpo")
    assert [example["reference"] for example in examples] == ["", ""]
    assert "marked words differ" not in text and "200 steps" in text and "trained tokens" not in text

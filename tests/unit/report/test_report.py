"""The report: every figure of the facts, nothing that a name or an answer could turn into markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import facts
import method_facts
import pytest
from gaslamp.config.slices import parse_slice
from gaslamp.core import registry
from gaslamp.core.files import sha256_path, write_json
from gaslamp.report.dashboard.replay import SAMPLES
from gaslamp.report.run_report.page import read_training, render_report
from gaslamp.report.run_report.tables import get_levels


def render(root: Path, hostile: bool = False, metrics: Path = SAMPLES / "dpo.metrics.jsonl", name: str = "cafe") -> str:
    paths = facts.write_run(root, hostile=hostile)
    write_json(root / "system.json", facts.system())
    write_json(root / "env.json", facts.env())
    files = {
        key: paths.get(key, root / f"{key}.json")
        for key in ("system", "env", "model", "card", "train", "compare", "verdict", "ladder", "parity")
    }
    settings = {"project": {"name": name, "task": name, "audience": "", "domain": "general"}}
    return render_report(files, metrics, parse_slice(json.dumps(settings)))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]


def test_the_report_holds_the_whole_run(tmp_path: Path) -> None:
    text = render(tmp_path)
    for part in ("data", "curves", "evaluation", "ladder", "parity", "environment", "provenance"):
        assert f'<h2 id="{part}">' in text
    compare, ladder, parity = facts.compare(), facts.ladder(), facts.parity()
    assert text.count(compare.headline) == 1 and ladder.reason in text and parity.summary in text
    assert "The model may be exported." in text
    assert all(f'<th scope="row">{level.level}' in text for level in ladder.levels)
    assert sha256_path(facts.write_run(tmp_path)["compare"]) in text
    assert text.count("<figure>") >= 7 and text.count("<path") >= 10
    policy = re.search(r"style-src '([^']+)'", text)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert (
        policy
        and style
        and policy[1] == "sha256-" + base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    )
    assert "<script" not in text and not re.search(r'(?:src|href)="(?:https?:|//)', text)


def test_hostile_words_add_no_element(tmp_path: Path) -> None:
    calm, hostile = (
        Tags(render(tmp_path / "a")).names,
        Tags(render(tmp_path / "b", hostile=True, name=facts.HOSTILE)).names,
    )
    assert "script" not in hostile and "img" not in hostile and hostile.count("figure") == calm.count("figure")


def test_a_model_that_is_not_quantized_has_a_report(tmp_path: Path) -> None:
    paths = facts.write_run(tmp_path)
    write_json(tmp_path / "system.json", facts.system())
    write_json(tmp_path / "env.json", facts.env())
    files = {
        key: paths.get(key, tmp_path / f"{key}.json")
        for key in ("system", "env", "model", "card", "train", "compare", "verdict")
    }
    text = render_report(
        files,
        SAMPLES / "reward.metrics.jsonl",
        parse_slice(json.dumps({"project": {"name": "a", "task": "", "audience": "", "domain": "general"}})),
    )
    assert '"ladder"' not in text and '"parity"' not in text and "Scores given" in text


def test_without_metrics_it_says_so(tmp_path: Path) -> None:
    assert "no curves" in render(tmp_path, metrics=tmp_path / "gone.jsonl")
    assert read_training(tmp_path / "gone.jsonl") is None


@pytest.mark.parametrize("method", registry.names("methods"))
def test_the_report_is_about_the_method_that_ran(tmp_path: Path, method: str) -> None:
    paths = method_facts.write_method_run(tmp_path, method)
    names = ("system", "env", "model", "card", "train", "compare", "verdict", "ladder", "parity")
    settings = {"project": {"name": "cafe", "task": "", "audience": "", "domain": "general"}}
    text = render_report(
        {name: paths[name] for name in names}, tmp_path / "gone.jsonl", parse_slice(json.dumps(settings))
    )
    plugin = registry.get("methods", method)
    assert f"{method} ({plugin.TITLE}) on cpu" in text
    tokens = method_facts.for_method(method)["train"].model_dump()["trained_tokens"]
    assert "<td>0</td>" not in re.findall(r"Tokens with loss</th>(<td>.*?</td>)", text)
    assert (f"{tokens:,} in one epoch" in text) == (plugin.ARTEFACT == "causal_lm" and tokens > 0)
    if plugin.KINDS[0] not in ("conversation", "speech"):
        assert not re.search(r"supervised|\bsft\b", text, re.IGNORECASE)


def test_levels_are_shown_in_the_unit_of_their_metric(tmp_path: Path) -> None:
    ladder = facts.ladder().model_copy(update={"unit": "nats"})
    assert get_levels(ladder)[0][3] == "0.955 nats (0.925 to 0.985)"

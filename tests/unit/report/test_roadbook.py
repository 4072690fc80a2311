"""The roadbook tells the facts, and fails when it has a gap."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import facts
import pytest
from gaslamp.config.schema import Config, get_slice, parse_slice
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json
from gaslamp.memory.hints import add_hint
from gaslamp.memory.snapshot import take_snapshot
from gaslamp.pages.markdown import OPEN, code, escape, fence, find_placeholders, quote, strip_marks
from gaslamp.report.roadbook.brief import render_brief
from gaslamp.report.roadbook.inventory import get_inventory, get_outputs
from gaslamp.report.roadbook.roadbook import render_roadbook

ROOT = Path(__file__).parents[3]
SECTIONS = (
    "run",
    "backend",
    "method",
    "project",
    "model",
    "data",
    "train",
    "eval",
    "demo",
    "export",
    "deploy",
    "reflect",
)


def settings(**project: str) -> str:
    return get_slice(Config.model_validate({"project": {"name": "cafe", **project}}), *SECTIONS)


def test_every_weight_is_told_as_such(tmp_path: Path) -> None:
    render(tmp_path)
    paths = facts.write_run(tmp_path)
    paths["payload"] = tmp_path / "payload.json"
    config = Config.model_validate({"project": {"name": "cafe"}, "train": {"adapter": "none"}})
    text = render_roadbook(paths, parse_slice(get_slice(config, *SECTIONS)), tmp_path)
    assert (
        "SFT of every weight, because" in text
        and "- No adapter: every weight was trained" in text
        and "lora.r" not in text
    )
    assert "| learning_rate | 0.0001 | Preset of sft." in text


def render(root: Path, hostile: bool = False, reflected: object = None, **project: str) -> str:
    paths = facts.write_run(root, hostile=hostile)
    paths["payload"] = root / "payload.json"
    write_json(paths["payload"], {"reflected": reflected})
    if not (root / "rules").exists():
        (root / "rules").symlink_to(ROOT / "rules")
    return render_roadbook(paths, parse_slice(settings(**project)), root)


def test_eleven_sections_without_a_gap(tmp_path: Path) -> None:
    text = render(tmp_path, task="orders to JSON")
    assert [int(number) for number in re.findall(r"^## (\d+) ", text, re.MULTILINE)] == list(range(1, 12))
    assert find_placeholders(text) == [] and OPEN not in text
    for shown in (
        "95.5 % (92.5 to 98.5, n = 200)",
        "sha256 " + facts.template().sha256,
        "| learning_rate | 0.001 |",
        "cardamom",
        "regressed",
    ):
        assert shown in text, shown
    assert "Reflected to" not in text and "Applied memory" not in text


def test_config_can_be_taken_out_again(tmp_path: Path) -> None:
    import yaml

    block = re.search(r"^```yaml\n(.*?)^```", render(tmp_path), re.MULTILINE | re.DOTALL)
    assert block
    assert Config.model_validate(yaml.safe_load(block[1])) == Config.model_validate({"project": {"name": "cafe"}})


def test_recorded_reason_beats_the_general_one(tmp_path: Path) -> None:
    row = next(line for line in render(tmp_path).splitlines() if line.startswith("| dtype |"))
    assert "this CPU has no fast bfloat16" in row


def test_memory_hints_and_reflection_are_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "lessons.md").write_text("## Smaller is fine\nbody\n", encoding="utf-8")
    take_snapshot(tmp_path, home)
    add_hint(tmp_path, 4, "lower the rate | when it jumps")
    text = render(tmp_path, reflected={"home": "~/.gaslamp", "date": "2026-11-23"})
    assert "Smaller is fine" in text and text.index("Applied memory") < text.index("## 1 Goal")
    assert "- train: lower the rate \\| when it jumps" in text
    assert text.rstrip().endswith("on 2026-11-23") and "Reflected to" in text


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    text = render(tmp_path, hostile=True, task=facts.HOSTILE + " TODO None")
    outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    outside = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", outside)
    assert "<script" not in outside and "<img" not in outside
    columns = {
        line.count("|") - line.count("\\|")
        for line in text.splitlines()
        if line.startswith("| `") and "improved" in line
    }
    assert columns == {6}


@pytest.mark.parametrize(
    "line",
    ["| a |  | b |", "| a | |", "left {{ this }}", "TODO: write", "loss nan", "it is None", "a Placeholder here"],
)
def test_lint_names_the_line(line: str) -> None:
    assert [problem.split(":")[0] for problem in find_placeholders(f"fine\n\n{line}\n")][0] == "line 3"


@pytest.mark.parametrize(
    "line",
    [
        "| a | b |",
        "|---|---|",
        "nanotechnology, Nonetheless",
        "`{{ None }}`",
        "```\nTODO {{ }}\n| |\n```",
        "| `a \\| b` | c |",
    ],
)
def test_lint_passes_whole_pages_and_code(line: str) -> None:
    assert find_placeholders(line) == []


def test_lint_looks_past_foreign_text_but_not_when_it_is_empty() -> None:
    assert (
        find_placeholders(f"| {quote('None TODO {{ x }}')} | {code('nan')} |\n{fence('TODO' + chr(10) + '```')}") == []
    )
    assert find_placeholders(f"| {quote('')} | b |") != []
    assert find_placeholders(f"{fence('a' + chr(10) + 'b')}\nTODO")[0].startswith("line 5")


def test_a_gap_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = facts.write_run(tmp_path)
    paths["payload"] = tmp_path / "payload.json"
    write_json(paths["payload"], {"reflected": None})
    system = json.loads(paths["system"].read_text()) | {"cpu": "x"}
    write_json(paths["system"], system)
    train = json.loads(paths["train"].read_text()) | {"device": "None"}
    write_json(paths["train"], train)
    with pytest.raises(GaslampError, match="line "):
        render_roadbook(paths, parse_slice(settings()), tmp_path)


@pytest.mark.parametrize(
    "text", ["# head", "- item", "1. one", "- 2", "a|b", "<b>x</b>", "*x* _y_ `z`", "[a](b)", "line\nbreak"]
)
def test_escape(text: str) -> None:
    result = escape(text)
    assert "\n" not in result and "<" not in result
    assert not re.match(r"[#>-]|\d\. ", result) and not re.search(r"(?<!\\)[|*`\[]", result)


def test_code_and_fence_hold_any_text() -> None:
    assert strip_marks(code("a `b` ``c``")).startswith("```")
    assert strip_marks(fence("````")).startswith("`````\n")
    assert "(empty answer)" in code("  ")


@pytest.mark.parametrize("backend", ["cpu", "cuda", "mac", "mps", "colab"])
def test_inventory_comes_from_the_rules(backend: str) -> None:
    outputs = dict(get_outputs(ROOT / "rules", backend))
    for path in (
        "data/card.json",
        "outputs/{run}/adapters",
        "outputs/{run}/eval/compare.json",
        "gaslamp.md",
        "resources/models",
    ):
        assert path in outputs, path
    assert outputs["data/card.json"] == "prepare_data"
    assert outputs["outputs/{run}/adapters"] == {"mac": "train_mlx", "colab": "pull_colab"}.get(
        backend, f"train_{backend}"
    )
    assert not [path for path in outputs if "colab/" in path]
    assert all(
        all(row)
        for row in get_inventory(ROOT / "rules", backend, "main", ["q8_0"], Path("resources/models/m/model.json"))
    )


def test_brief_has_no_empty_cell() -> None:
    text = render_brief(parse_slice(settings(task="orders | to\nJSON")))
    assert "orders \\| to JSON" in text and find_placeholders(text) == [] and "Not said yet: project.audience" in text
    assert find_placeholders(render_brief(parse_slice(settings()))) == []


def test_scripts(tmp_path: Path) -> None:
    paths = facts.write_run(tmp_path)
    paths["payload"] = tmp_path / "payload.json"
    write_json(paths["payload"], {"reflected": None})
    command = [sys.executable, str(ROOT / "scripts/write_roadbook.py"), "--settings", settings(), "--out", "gaslamp.md"]
    for name, path in paths.items():
        command += [f"--{name}", str(path)]
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    subprocess.run(command, check=True, cwd=tmp_path)
    first = (tmp_path / "gaslamp.md").read_bytes()
    subprocess.run(command, check=True, cwd=tmp_path)
    assert (tmp_path / "gaslamp.md").read_bytes() == first
    subprocess.run(
        [sys.executable, str(ROOT / "scripts/write_brief.py"), "--settings", settings(), "--out", "b.md"],
        check=True,
        cwd=tmp_path,
    )
    assert (tmp_path / "b.md").read_text().startswith("# cafe")

"""docs/extend.md is executed: its examples are written into a project, found by name, keep their contracts, and run.

A code block below a heading that names a file is the content of that file.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tiny
import training
import yaml
from gaslamp.core import registry
from gaslamp.core.contracts import TrainFacts
from gaslamp.core.files import read_json
from gaslamp.pages import themes
from gaslamp.report.demo import words

PAGE = (tiny.ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
EXAMPLES = {
    match["file"]: match["code"]
    for match in re.finditer(
        r"^##+ [^\n]*`(?P<file>[\w./-]+\.(?:py|yaml))`\n(?:(?!^#)[^\n]*\n)*?```\w+\n(?P<code>.*?)^```$",
        PAGE,
        re.MULTILINE | re.DOTALL,
    )
}
PLUGINS = {file: Path(file).parts[0] for file in EXAMPLES if Path(file).parts[0] in registry.ROOMS}
CONTRACTS = tiny.ROOT / "tests" / "contracts" / "test_plugins.py"


def write_examples(project: Path) -> None:
    """The plug-ins and the profile of the page, in the project's own folders."""
    for file, code in EXAMPLES.items():
        if not file.startswith("scripts/"):
            (project / file).parent.mkdir(parents=True, exist_ok=True)
            (project / file).write_text(code, encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A project with every example, trained and evaluated by the backend ``gentle``."""
    folder = tmp_path_factory.mktemp("extended")
    data = tiny.write_rows(folder / "cards.csv")
    rows = list(csv.reader(data.read_text(encoding="utf-8").splitlines()))[1:]
    lines = [json.dumps({"clue": clue, "solution": solution}) for clue, solution in rows]
    lines.append(json.dumps({"clue": "Where is the menu?", "solution": "https://example.org/menu"}))
    cards = folder / "cards.jsonl"
    cards.write_text("\n".join(lines) + "\n", encoding="utf-8")
    project = tiny.bake(folder / "projects", cards, tiny_model, tiny.SETTINGS)
    write_examples(project)
    changes = {"method": "sft_noise", "train.max_steps": 12, "train.options": {"alpha": 2.0}}
    tiny.set_config(project, **changes, **{"eval.metrics": ["any_case"], "export.formats": ["adapter_zip"]})
    run = get_run(project)
    targets = (f"outputs/{run}/eval/compare.json", "outputs/env/preflight.json")
    done = tiny.snakemake(project, *targets, profile="gentle")
    assert done.returncode == 0, tiny.get_rules_error(done)
    return project


def get_run(project: Path) -> str:
    """The name of the project's run."""
    return str(yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))["run"])


def test_the_page_has_an_example_of_every_kind() -> None:
    assert set(PLUGINS.values()) == set(registry.ROOMS)
    assert [file for file in EXAMPLES if not file.endswith(".py")] == [
        "gentle/config.yaml",
        "gentle/backend.yaml",
        "scripts/gaslamp/report/demo/languages/nl.yaml",
    ]
    assert "sports" in EXAMPLES["scripts/gaslamp/pages/themes.py"]
    assert PAGE.count("```python") + PAGE.count("```yaml") == len(EXAMPLES), "every code block is under its file's name"


def test_every_renamed_name_is_on_the_page() -> None:
    table = PAGE.partition("## Names of earlier versions")[2]
    for names in registry.RENAMED.values():
        assert all(f"`{old}" in table and f"`{new}" in table for old, new in names.items())


def test_the_examples_keep_the_contracts(project: Path) -> None:
    """The tests of the library's plug-ins, run where the project's own are found; the page of a method is only for
    the repository.
    """
    names = [Path(file).stem for file in PLUGINS if PLUGINS[file] != "rewards"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-c",
        tiny.ROOT / "pyproject.toml",
    ]
    command += ["--rootdir", tiny.ROOT, CONTRACTS, "-k", f"({' or '.join(names)}) and not page_of_a_method"]
    done = subprocess.run([str(part) for part in command], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= 2 * len(names), "each plug-in is tested by at least two tests"


def test_the_run_used_the_examples(project: Path) -> None:
    run = project / "outputs" / get_run(project)
    card, compare = read_json(project / "data" / "card.json"), read_json(run / "eval" / "compare.json")
    assert card["format"] == "cards"
    check = next(check for check in card["checks"] if check["name"] == "no_links")
    assert (check["verdict"], check["count"]) == ("warning", 1) and "contains a link" in check["findings"][0]["text"]
    facts = TrainFacts.read(run / "train.json")
    decisions = {decision.name: decision.value for decision in facts.decisions}
    assert (facts.backend, facts.method, facts.steps) == ("gentle", "sft_noise", 12)
    assert decisions["threads"] == "1" and decisions["noise"] == 2.0
    assert [metric["name"] for metric in compare["metrics"]][0] == "any_case"


def test_an_edited_example_runs_its_steps_again(project: Path) -> None:
    file = project / "metrics" / "any_case.py"
    before = file.read_text(encoding="utf-8")
    file.write_text(before + "# edited\n", encoding="utf-8")
    target = f"outputs/{get_run(project)}/eval/compare.json"
    done = tiny.snakemake(project, "--dry-run", target, profile="gentle")
    file.write_text(before, encoding="utf-8")
    assert "compare_models" in done.stdout + done.stderr and "train_gentle" not in done.stdout + done.stderr


def test_the_exporter_writes_its_file(project: Path, tmp_path: Path) -> None:
    run = Path("outputs") / get_run(project)
    paths = {"model": "x", "merged": "x", "template": "data/template.json", "card": "data/card.json", "gguf": "x"}
    paths |= {"adapters": run / "adapters", "train": run / "train.json", "compare": run / "eval" / "compare.json"}
    flags = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    out = project / run / "export" / "adapter_zip"
    done = tiny.run(
        sys.executable,
        "scripts/export_model.py",
        "--format",
        "adapter_zip",
        "--out",
        out,
        "--config",
        "config.yaml",
        "--log",
        "logs/export.log",
        *flags,
        cwd=project,
    )
    assert done.returncode == 0, tiny.get_rules_error(done)
    assert any(name.endswith(".safetensors") for name in zipfile.ZipFile(out / "adapter.zip").namelist())


def test_the_embedded_set_becomes_rows(project: Path, tmp_path: Path) -> None:
    copy = tiny.copy_project(project, tmp_path)
    tiny.set_config(copy, **{"data.source": "embedded:sums"})
    done = tiny.snakemake(copy, "data/card.json", profile="gentle")
    assert done.returncode == 0, tiny.get_rules_error(done)
    texts = (copy / "data" / "train.jsonl").read_text(encoding="utf-8")
    assert "3 + 4 = ?" in texts or "3 + 4 = ?" in (copy / "data" / "test.jsonl").read_text(encoding="utf-8")


def test_the_reward_trains(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rewards").mkdir()  # the reward alone: a backend lists its methods when it is imported, once a process
    (tmp_path / "rewards" / "polite.py").write_text(EXAMPLES["rewards/polite.py"], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    base = training.write_base(tmp_path / "base", tiny_model, training.ROWS)
    _, steps = training.train(base, tmp_path, "grpo", max_steps=2, rewards=[{"name": "polite"}])
    assert all(0 <= step["rewards/polite/mean"] <= 1 for step in steps) and len(steps) == 2
    assert registry.get("rewards", "polite").score([], "Thank you!", {}) == 1.0
    assert registry.get("rewards", "polite").score([], "No.", {}) == 0.0


def test_the_colours_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    accents = ast.literal_eval("{" + EXAMPLES["scripts/gaslamp/pages/themes.py"] + "}")
    monkeypatch.setattr(themes, "ACCENTS", themes.ACCENTS | accents)
    for domain in accents:
        for dark in (False, True):
            colors = themes.get_colors(domain, dark)
            assert themes.get_contrast(colors["accent-text"], colors["paper"]) >= 4.5
            assert themes.get_contrast(colors["accent"], colors["card"]) >= 3


def test_the_language_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "scripts/gaslamp/report/demo/languages/nl.yaml"
    for file in (tiny.ROOT / name).parent.glob("*.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    english = words.read_language("en")
    (tmp_path / "nl.yaml").write_text(EXAMPLES[name], encoding="utf-8")
    monkeypatch.setattr(words, "LANGUAGES", tmp_path)
    dutch = words.read_language("nl")
    assert dutch == english | yaml.safe_load(EXAMPLES[name]) and dutch["worse"] == "Minder goed"
    assert "{audience}" in dutch["for"]

"""Every command with a JSON form: one document that its contract describes, and nothing else; errors as JSON too."""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.core import console, json_form
from gaslamp.core.document import Document, ErrorDocument
from gaslamp.core.errors import GaslampError
from gaslamp.guide.json_forms import FORMS, render_table

SCRIPTS = tiny.ROOT / "scripts"
TEMPLATE = tiny.ROOT / "cookiecutter-template" / "{{cookiecutter.__folder}}"
ARGUMENTS = {
    "adopt_data.py": ["--", "true"],  # the rows of the finished project are there
    "try_advice.py": ["--run", "main"],
    "push_model.py": ["--folder", "outputs/main/export/hub", "--dry-run"],
    "show_summary.py": ["--run", "main"],
    "verify_run.py": ["--run", "main"],
    "run_doctor.py": ["--project", "."],
    "control_run.py start": [],
    "serve_model.py chat": ["--prompt", "3 tea for Ana", "--max-tokens", "4"],
    "chat_eval.py": ["--prompt", "3 tea for Ana", "--max-tokens", "4"],
    "add_reflect_hint.py": [".", "--hint", "warm-up helped"],
    "reflect.py": ["--config", "config.yaml", "--dry-run"],
    "upgrade_project.py": ["--dry-run", "--source", str(tiny.ROOT)],
}
"""Of scripts that need some."""
ELSEWHERE = {
    *("control_run.py start", "serve_model.py start", "plan_run.py", "run_doctor.py", "reconfigure_project.py"),
    *("adopt_data.py --generated", "review_rows.py", "push_model.py"),
}
"""Tests that run them anyway validate their documents: test_mcp_server, test_targets, test_run_plan, test_bake,
test_review, test_exports.
"""
FORM_OF = {form.script: form for form in FORMS}


def get_contract(script: str) -> type[Document]:
    module, _, name = FORM_OF[script].contract.partition(":")
    contract = getattr(importlib.import_module(f"gaslamp.{module}"), name)
    assert issubclass(contract, Document)
    return contract


@pytest.fixture
def output(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The real standard output, put back after a script has taken it."""
    saved = os.dup(1)
    yield capfd
    os.dup2(saved, 1)
    os.close(saved)


def run(script: str, *arguments: str) -> int:
    """A script of this repository with ``--json``, as its own process would run it; its exit code."""
    name, *action = script.split()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as done:
        patch.setattr(sys, "stdout", sys.stdout)
        patch.setattr(console, "_terminal", sys.stderr)  # as in a process of its own
        patch.setattr(json_form, "_channel", None)
        patch.setattr(sys, "argv", [name, *action, "--json", *arguments])
        patch.syspath_prepend(str(SCRIPTS))
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    return int(done.value.code or 0)


def read_one(output: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The standard output, which must be one document."""
    value = json.loads(output.readouterr().out)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("script", sorted(set(FORM_OF) - ELSEWHERE))
def test_a_document_follows_its_contract_and_stands_alone(
    script: str, finished: Path, monkeypatch: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]
) -> None:
    hints = finished / ".reflect_hints.json"
    monkeypatch.chdir(finished)
    try:
        code = run(script, *ARGUMENTS.get(script, []))
    finally:
        hints.unlink(missing_ok=True)
    value = read_one(output)
    assert code == 0, value
    contract = get_contract(script)
    assert contract.model_validate(value).model_dump(mode="json") == value and value["schema_version"] == 1


@pytest.mark.parametrize("script", sorted(set(FORM_OF) - {"advise_models.py", "run_doctor.py", "manage_memory.py"}))
def test_an_error_is_json_with_the_same_exit_code(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    more = {"add_reflect_hint.py": ["nowhere"], "watch_run.py status": ["--root"], "control_run.py stop": ["--now"]}
    more |= {"serve_model.py stop": ["--now"], "describe_data.py": ["no.csv"]}
    code = run(script, *more.get(script, ARGUMENTS.get(script, [])))
    value = read_one(output)
    error = ErrorDocument.model_validate(value)
    assert code in (1, 2) and error.error and error.fixes and all(error.fixes)
    assert not list(tmp_path.glob("*.json")), "an error writes nothing"


def test_the_figures_are_those_of_the_facts(
    finished: Path, monkeypatch: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(finished)
    assert run("show_summary.py", "--run", "main") == 0
    value = read_one(output)
    compare = json.loads((finished / "outputs/main/eval/compare.json").read_text())
    ladder = json.loads((finished / "outputs/main/gguf/ladder.json").read_text())
    assert value["metrics"][0]["tuned"] == compare["metrics"][0]["tuned"]
    assert [(one["level"], one["size_bytes"]) for one in value["levels"]] == [
        (one["level"], (finished / "outputs/main/gguf" / one["file"]).stat().st_size) for one in ladder["levels"]
    ]
    assert value["recommended"] == ladder["recommended"] and value["parity_passed"] is True
    assert all((finished / path).exists() for path in value["paths"].values()) and "the model" in value["paths"]
    verdict = json.loads((finished / "outputs/main/eval/verdict.json").read_text())
    assert value["warnings"] == verdict["warnings"] and value["advice"] == verdict["advice"]


def test_other_programs_and_a_bug_leave_the_output_clean(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(
        "import subprocess, sys\n"
        "from gaslamp.core.errors import exit_with_help\n\n"
        "def main():\n"
        "    print('a line of a library')\n"
        "    subprocess.run([sys.executable, '-c', 'print(1)'], check=True)\n"
        "    raise ValueError('data/raw/a.csv, row 7: three cells')\n\n"
        "exit_with_help(main)\n"
    )
    done = tiny.run(sys.executable, script, "--json", cwd=tmp_path, PYTHONPATH=str(SCRIPTS))
    value = ErrorDocument.model_validate_json(done.stdout)
    assert done.returncode == 1 and "ValueError: data/raw/a.csv" in value.error
    assert "a line of a library\n" in done.stderr and "\n1\n" in done.stderr and "Traceback" in done.stderr
    plain = tiny.run(sys.executable, script, cwd=tmp_path, PYTHONPATH=str(SCRIPTS))
    assert plain.returncode == 1 and plain.stdout.startswith("a line of a library") and "error" not in plain.stdout


@pytest.mark.parametrize(
    ("cause", "where"),
    [
        ('config.yaml, line 48: train.max_steps = "many"', "config.yaml, line 48"),
        ("outputs/main/train.json is not a TrainFacts file", "outputs/main/train.json"),
        ("data/raw/mails.csv, row 12: no answer", "data/raw/mails.csv, row 12"),
        ("data.source names no file", "data.source"),
        ("export.formats: [vllm] makes no GGUF file", "export.formats"),
        ("no server of this project is running", None),
        ("gaslamp needs Python 3.11 or newer, e.g. that of uv", None),
    ],
)
def test_where_an_error_is(cause: str, where: str | None) -> None:
    assert ErrorDocument.make(GaslampError(cause, "fix it")).where == where


def test_every_script_that_declares_a_form_has_one_and_every_target_passes_it_on() -> None:
    declared = {
        file.name
        for file in SCRIPTS.glob("*.py")
        if re.search(r"has_json=True|add_json\(", file.read_text(encoding="utf-8"))
    }
    assert declared == {script.split()[0] for script in FORM_OF} | {"reproduce_project.py", "new_project.py"}
    makefile = (TEMPLATE / "Makefile").read_text(encoding="utf-8")
    for form in FORMS:
        recipe = re.search(rf"^{form.target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
        assert recipe, form.target
        with_flag = "JSON_FLAG" in recipe[1] or "$(ADVICE)" in recipe[1]
        assert with_flag and form.script.split()[0] in recipe[1], form.target
    for target, recipe in re.findall(r"^([a-z-]+):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE):
        assert "JSON_FLAG" not in recipe or target in {form.target for form in FORMS}, target


def test_the_page_has_the_table() -> None:
    assert render_table() in (tiny.ROOT / "docs" / "agents.md").read_text(encoding="utf-8")

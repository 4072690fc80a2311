"""Paths on the terminal work where the command was typed; files keep paths relative to the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from gaslamp.core.places import PREFIX, PROJECT, localize

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("outputs/main", "data", "logs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "config.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(PREFIX, "projects/cafe/")
    monkeypatch.delenv(PROJECT, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see outputs/main/report.html.", "see projects/cafe/outputs/main/report.html."),
        ("edit config.yaml, line 3", "edit projects/cafe/config.yaml, line 3"),
        (
            "logs/<run>/train_model.log, data/*.jsonl",
            "projects/cafe/logs/<run>/train_model.log, projects/cafe/data/*.jsonl",
        ),
        ("demos/main/index.html", "demos/main/index.html"),  # the project has no such folder
        ("/shared/data/rows.csv and ./data/rows.csv", "/shared/data/rows.csv and ./data/rows.csv"),
        ("my.config.yaml, metadata/x", "my.config.yaml, metadata/x"),
        ("the data/model ratio", "the projects/cafe/data/model ratio"),  # looks like a path of the project
        ("next: make deploy", "next: make deploy"),
    ],
)
def test_paths(project: Path, text: str, shown: str) -> None:
    assert localize(text) == shown
    assert localize(shown) == shown, "twice is as once"


def test_commands_name_the_project_that_was_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROJECT, "cafe")
    assert localize("next: make deploy    (serves it)") == "next: make deploy PROJECT=cafe    (serves it)"
    assert localize("make chat-eval, make sure") == "make chat-eval PROJECT=cafe, make sure"
    assert localize(localize("make run")) == "make run PROJECT=cafe"


def test_in_the_project_nothing_changes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PREFIX)
    assert localize("edit config.yaml, make run") == "edit config.yaml, make run"


def test_the_terminal_is_localized_and_the_log_is_not(project: Path) -> None:
    code = """
from gaslamp.core.console import say, step
from gaslamp.core.errors import GaslampError, exit_with_help
def main():
    print("first outputs/main/a")
    with step("logs/make_thing.log"):
        say("wrote outputs/main/b")
        print("library wrote outputs/main/c")
        raise GaslampError("no outputs/main/d", "edit config.yaml")
exit_with_help(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={PREFIX: "p/", "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == "first p/outputs/main/a\n[make_thing] wrote p/outputs/main/b\n"
    assert done.stderr == "error: no p/outputs/main/d\n  usual fix:       edit p/config.yaml\n"
    log = (project / "logs/make_thing.log").read_text()
    assert "library wrote outputs/main/c" in log and "error: no outputs/main/d" in log and "p/" not in log

"""Project 2 is better off for project 1: real projects, the commands that a person types, one long-term memory."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml
from gaslamp.core.contracts import Compare

REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"


def read_config(project: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    return values


def test_a_template_that_refuses_system_turns_is_met_once(tmp_path: Path) -> None:
    model = tiny.write_checkpoint(tmp_path / "strict-chat", template=REFUSES + tiny.CHATML)
    data = tiny.write_rows(tmp_path / "notes.csv")
    settings = {**tiny.SETTINGS, "data.system": "Answer with ok."}
    one = tiny.bake(tmp_path / "one", data, model, settings)
    two = tiny.copy_project(one, tmp_path / "two")
    failed = tiny.snakemake(one, "data/card.json", GASLAMP_HOME=str(tmp_path / "home"))
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0 and "refuses it: System role not supported" in said
    assert re.search(r"[1-9] new things? remembered", said)

    assert not read_config(two)["data"]["system_as_user"], "the model was chosen after the project was made"
    note = tiny.run(sys.executable, "scripts/check_config.py", cwd=two, GASLAMP_HOME=str(tmp_path / "home")).stdout
    assert "fits this project and is not applied: data.system_as_user: true; make memory APPLY=1 applies it" in note
    applied = tiny.run("make", "memory", "APPLY=1", cwd=two, GASLAMP_HOME=str(tmp_path / "home"))
    assert "memory: data.system_as_user: true (before: false) because of" in applied.stdout, (
        applied.stdout + applied.stderr
    )
    assert read_config(two)["data"]["system_as_user"] is True
    done = tiny.snakemake(two, "data/card.json", GASLAMP_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stdout + done.stderr
    row = json.loads((two / "data/train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert row["messages"][0]["role"] == "user" and row["messages"][0]["content"].startswith("Answer with ok.")


@pytest.mark.graphs
def test_the_first_run_of_project_2_beats_the_defaults(tmp_path: Path) -> None:
    """Project 1 runs with the default learning rate, then with a better one; project 2 begins with that."""
    model, data = tiny.write_checkpoint(tmp_path / "tiny-chat"), tiny.write_rows(tmp_path / "notes.csv")
    settings = {**tiny.SETTINGS, "train.learning_rate": "auto", "train.max_steps": 12}
    home = str(tmp_path / "home")

    def score(project: Path, run: str) -> Compare:
        target = f"outputs/{run}/eval/compare.json"
        done = tiny.snakemake(project, target, "--config", f"run={run}", GASLAMP_HOME=home)
        assert done.returncode == 0, done.stdout + done.stderr
        return Compare.read(project / target)

    one = tiny.bake(tmp_path / "one", data, model, settings)
    first = score(one, "first")
    tiny.set_config(one, **{"train.learning_rate": 0.02})
    second = score(one, "second")
    two = tiny.bake(tmp_path / "two", data, model, settings)
    assert read_config(two)["train"]["learning_rate"] == "auto"
    said = tiny.run("make", "memory", "APPLY=1", cwd=two, GASLAMP_HOME=home).stdout
    assert "memory: train.learning_rate: 0.02 (before: auto) because of" in said, said
    better = score(two, "main")
    old, new = first.metrics[0].tuned, better.metrics[0].tuned
    assert new.low > old.high, f"{new} is not clearly better than {old}"
    assert new.value == second.metrics[0].tuned.value

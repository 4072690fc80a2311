"""A run whose answers are cut, its advice listed and followed by ``make try``, in the project and from the clone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml

pytestmark = [pytest.mark.graphs, pytest.mark.timeout(1700)]  # two whole runs and five commands in one test

SETTINGS: dict[str, Any] = {
    **tiny.SETTINGS,
    "train.max_steps": 60,
    "eval.max_new_tokens": 4,  # the answer has 13 tokens and the one that ends it
    "eval.retention": False,
    "export.formats": ["merged"],
}


def read(project: Path, run: str) -> Any:
    return json.loads((project / "outputs" / run / "eval/compare.json").read_text(encoding="utf-8"))


def test_the_first_advice_of_cut_answers_gives_a_better_run(tmp_path: Path) -> None:
    model, data = tiny.write_checkpoint(tmp_path / "tiny-chat"), tiny.write_rows(tmp_path / "notes.csv")
    data.write_text(data.read_text(encoding="utf-8").replace('"ok"', '"ready at once"'), encoding="utf-8")
    project = tiny.bake(tmp_path / "projects", data, model, SETTINGS)
    done = tiny.run("make", "run", "PROFILE=cpu", cwd=project, timeout=900)
    assert done.returncode == 0, tiny.get_rules_error(done)
    first = read(project, "main")
    assert "cut_answers" in [finding["name"] for finding in first["findings"]]
    kept = {file: file.read_bytes() for file in (project / "outputs/main").rglob("*") if file.is_file()}

    clone = ("make", "-o", ".venv/.installed", "try", "PROFILE=cpu", f"PROJECT={project}")
    listed = tiny.run(*clone, cwd=tiny.ROOT)
    assert listed.returncode == 0, tiny.get_rules_error(listed)
    assert "1  allow longer answers (eval.max_new_tokens: 4 -> 14)" in listed.stdout
    assert "make try N=1 applies advice 1" in listed.stdout
    shown = tiny.run("make", "try", "N=1", "DRY_RUN=1", "PROFILE=cpu", cwd=project)
    assert "+run: main-2" in shown.stdout and "outputs/main-2" not in shown.stdout
    assert yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))["run"] == "main", "nothing is written"

    done = tiny.run("make", "try", "N=1", "PROFILE=cpu", cwd=project, timeout=900)
    assert done.returncode == 0, tiny.get_rules_error(done)
    second = read(project, "main-2")
    assert "cut_answers" not in [finding["name"] for finding in second["findings"]]
    assert second["metrics"][0]["tuned"]["value"] > first["metrics"][0]["tuned"]["value"]
    assert {file: file.read_bytes() for file in kept} == kept, "the results of the first run are as they were"
    again = tiny.run("make", "run", "PROFILE=cpu", cwd=project)
    assert "Nothing to be done" in tiny.get_rules_error(again)
    for text in (done.stdout, again.stdout, tiny.run("make", "results", cwd=project).stdout):
        assert "main: the first run\nmain-2: eval.max_new_tokens: 4 -> 14\n" in text
        rows = {
            line.split()[0]: line.replace("\u00a0", " ")
            for line in text.partition("what was tried")[2].splitlines()
            if " (" in line
        }
        assert "0.0 % (0.0 to" in rows["main"] and "100.0 % (" in rows["main-2"], text

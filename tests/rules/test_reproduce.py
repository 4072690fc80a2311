"""A run repeated from its roadbook alone: the same data to the last byte, the same figures, and how it fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml
from gaslamp.core.files import read_json
from gaslamp.report.reproduce.project import read_roadbook

SCRIPT = tiny.ROOT / "scripts" / "reproduce_project.py"


def reproduce(roadbook: Path, folder: Path, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(roadbook), "--folder", str(folder), *arguments]
    return tiny.run(*command, cwd=roadbook.parent, timeout=timeout)


def get_project(folder: Path) -> Path:
    (project,) = [path for path in folder.iterdir() if path.is_dir()]
    return project


def test_the_data_of_a_run_are_repeated_from_its_roadbook(finished: Path, tmp_path: Path) -> None:
    """The roadbook in a folder of its own: the files it needs are named, checked and taken up."""
    place, projects = tmp_path / "mail", tmp_path / "projects"
    place.mkdir()
    roadbook = Path(shutil.copy2(finished / "gaslamp.md", place))
    config, record = read_roadbook(roadbook)
    assert record.inputs.keys() == {"data/raw/notes.csv"} and "data/raw/notes.csv` next to it" in roadbook.read_text()
    assert config["train"]["learning_rate"] == 0.02 and config["train"]["max_steps"] == 40

    missing = reproduce(roadbook, projects)
    digest = record.inputs["data/raw/notes.csv"]
    assert missing.returncode == 1 and f"data/raw/notes.csv (sha256 {digest}) is not in {place}" in missing.stderr
    (place / "notes.csv").write_text("prompt,completion\nother,rows\n", encoding="utf-8")
    wrong = reproduce(roadbook, projects)
    assert wrong.returncode == 1 and "notes.csv is another file" in wrong.stderr and "usual fix" in wrong.stderr
    assert not projects.exists() or not list(projects.iterdir()), "nothing is left behind"

    shutil.copy2(finished / "data/raw/notes.csv", place)
    done = reproduce(roadbook, projects, "--only", "data")
    assert done.returncode == 0, done.stdout + done.stderr
    project = get_project(projects)
    result = read_json(project / "reproduction.json")
    assert result["outcome"] == "data reproduced" and "**data reproduced**" in done.stdout
    names = ["data, train", "data, valid", "data, test", "chat template", "base model"]
    assert [check["name"] for check in result["checks"]] == names
    for part in ("train", "valid", "test"):
        assert (project / f"data/{part}.jsonl").read_bytes() == (finished / f"data/{part}.jsonl").read_bytes()
    assert yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))["reflect"]["write"] is False


@pytest.mark.graphs
def test_a_run_on_the_embedded_job_is_repeated_from_its_roadbook_alone(tmp_path: Path) -> None:
    """Nothing but gaslamp.md is taken along; the whole graph runs twice, to the same data, losses, scores and files."""
    model = tiny.write_checkpoint(tmp_path / "tiny-chat")
    settings: dict[str, Any] = {
        **tiny.SETTINGS,
        "train.max_steps": 6,
        "train.batch_size": 4,
        "data.split.max_test": 20,
        "export.ladder_rows": 10,
        "export.levels": ["q8_0"],
        "eval.retention": False,
    }
    original = tiny.bake(tmp_path / "original", "embedded:orders_json", model, settings)
    done = tiny.snakemake(original, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "mail").mkdir()
    roadbook = Path(shutil.copy2(original / "gaslamp.md", tmp_path / "mail"))
    moved = model.rename(tmp_path / "moved-model")
    again = reproduce(roadbook, tmp_path / "projects", "--model", str(moved), timeout=900)
    assert again.returncode == 0, again.stdout + again.stderr
    result = read_json(get_project(tmp_path / "projects") / "reproduction.json")
    assert result["outcome"] == "reproduced" and len(result["checks"]) == 11
    exact = {check["name"]: check["expected"] == check["found"] for check in result["checks"]}
    assert all(exact.values()), f"on one machine everything is equal: {exact}"

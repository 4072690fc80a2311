"""A sweep through the whole graph: every point trained, the best one proven; what another point costs; adoption."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tiny
from gaslamp.core.files import read_json, read_jsonl

BEST = "lr0.02-r8"
NAMES = ("brief", "weak", "two", "cut")


@pytest.mark.graphs
def test_a_sweep_goes_through_the_whole_graph(tmp_path: Path) -> None:
    model, data = tiny.write_checkpoint(tmp_path / "tiny-chat"), tiny.write_rows(tmp_path / "notes.csv")
    over = {"train.learning_rate": [0.00001, 0.02], "train.lora.r": [8]}
    settings = {**tiny.SETTINGS, "export.levels": ["q8_0"], "sweep.over": over}
    project = tiny.bake(tmp_path / "projects", data, model, settings)
    done = tiny.snakemake(project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    assert f"best of 2 points: {BEST}" in done.stdout + done.stderr
    sweep = read_json(project / "outputs/sweep.json")
    assert [point["run"] for point in sweep["points"]] == [BEST, "lr1e-5-r8"]
    assert [(project / "outputs" / run / "gguf").exists() for run in (BEST, "lr1e-5-r8", "main")] == [
        True,
        False,
        False,
    ]
    assert read_json(project / f"outputs/{BEST}/gguf/parity.json")["passed"]
    train = read_json(project / f"outputs/{BEST}/train.json")
    assert (train["settings"]["learning_rate"], train["settings"]["lora"]["r"]) == (0.02, 8)
    page = (project / "outputs/sweep.html").read_text(encoding="utf-8")
    assert BEST in page and "lr1e-5-r8" in page
    assert "number 1 of 2 points of a sweep" in (project / "gaslamp.md").read_text(encoding="utf-8")
    assert tiny.get_jobs(project) == {}

    # another point: itself, the comparison, and nothing of the others
    tiny.set_config(project, **{"sweep.over": {**over, "train.learning_rate": [0.00001, 0.02, 0.00002]}})
    jobs = tiny.get_jobs(project)
    assert jobs == {"train_model_cpu": 1, "evaluate_model_valid": 1, "compare_points": 1}
    tiny.set_config(project, **{"sweep.over": over})

    # the best point as the run, by its name or adopted: everything is there
    assert tiny.get_jobs(project, "--config", f"run={BEST}") == {}
    done = tiny.run(sys.executable, "scripts/adopt_point.py", "--run", BEST, cwd=project)
    assert done.returncode == 0, done.stderr
    assert tiny.get_jobs(project) == {}


@pytest.mark.graphs
def test_points_with_rows_and_a_base_model_of_their_own(tmp_path: Path) -> None:
    """The system prompt, the base model and the method differ; the best one is adopted without a step."""
    model, data = tiny.write_checkpoint(tmp_path / "tiny-chat"), tiny.write_rows(tmp_path / "notes.csv")
    other = tiny.write_checkpoint(tmp_path / "tiny-two", seed=5)
    points = [{"name": "brief", "data.system": "Say ok."}] + [
        {"name": name, "train.learning_rate": 0.00001, **changes}
        for name, changes in {"weak": {}, "two": {"model.source": str(other)}, "cut": {"train.max_length": 96}}.items()
    ]
    settings = {**tiny.SETTINGS, "export.levels": ["q8_0"], "sweep.points": points}
    project = tiny.bake(tmp_path / "projects", data, model, settings)
    done = tiny.snakemake(project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    assert [point["run"] for point in read_json(project / "outputs/sweep.json")["points"]][0] == "brief"
    inputs = {run: list(read_json(project / f"outputs/{run}/train.json")["provenance"]["inputs"]) for run in NAMES}
    assert [file for file in inputs["weak"] if file.startswith("data/")][0] == "data/train.jsonl"
    assert "tiny-two" in inputs["two"][0] and "tiny-chat" in inputs["cut"][0]
    parts = {Path(file).parent for run in NAMES for file in inputs[run] if file.endswith("train.jsonl")}
    assert len(parts) == 4
    (part,) = {Path(file).parent for file in inputs["brief"] if file.endswith("train.jsonl")}
    first = read_jsonl(project / part / "train.jsonl").__next__()
    assert first["messages"][0] == {"role": "system", "content": "Say ok."}
    assert read_json(project / "outputs/brief/gguf/parity.json")["passed"]
    assert "Say ok." in (project / "gaslamp.md").read_text(encoding="utf-8")
    assert tiny.get_jobs(project) == {}
    assert tiny.get_jobs(project, "--config", "run=brief") in ({}, {"write_brief": 1})
    done = tiny.run(sys.executable, "scripts/adopt_point.py", "--run", "brief", cwd=project)
    assert done.returncode == 0, done.stderr
    assert tiny.get_jobs(project) in ({}, {"write_brief": 1})
    done = tiny.run(sys.executable, "scripts/verify_run.py", "--run", "brief", cwd=project)
    assert done.returncode == 0 and f"{part}/card.json" in done.stdout, done.stdout + done.stderr

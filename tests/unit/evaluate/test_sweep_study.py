"""A sweep that Optuna steers: points one after the other, a study that goes on after a kill, and the command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import facts
import pytest
import tiny
from gaslamp.config.sections.sweep import Sweep
from gaslamp.config.sweep_points import REQUESTED, get_sweep_points
from gaslamp.core.files import read_json
from gaslamp.core.sweep_contracts import PointFacts, SweepFacts
from gaslamp.evaluate.sweep_study import ask, open_study, read_requested, report_results

OVER = {"train.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}, "train.lora.r": {"low": 4, "high": 32}}


def get_results(names: list[str], **values: Any) -> SweepFacts:
    """Made-up results: the nearer the rate is to 0.001, the better."""
    points = []
    for name in names:
        changes = get_sweep_points({"sweep": {"how": "tpe", "over": OVER}})[name]
        score = 1 - abs(float(changes["train.learning_rate"]) - 1e-3)
        points.append(
            PointFacts(
                run=name, changes=changes, score=score, steps=1, seconds=1, peak_memory_gb=1, trainable_parameters=1
            )
        )
    return SweepFacts(metric="x", title="X", n=4, keys=[], points=points, provenance=facts.provenance(), **values)


@pytest.mark.parametrize("how", ["tpe", "qmc"])
def test_a_study_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = Sweep.model_validate({"how": how, "over": OVER, "seed": 1})
    names: list[str] = []
    for _ in range(4):  # each time a process of its own
        study = open_study(sweep)
        name = ask(study, sweep)
        assert name and name not in names
        names.append(name)
        assert list(get_sweep_points({"sweep": {"how": how, "over": OVER}})) == names
        assert report_results(study, get_results(names)) == 1, "what was reported is not reported again"
    values = [trial.value for trial in open_study(sweep).trials]
    assert len(values) == 4 and None not in values
    assert [str(one["name"]) for one in read_requested()] == names


def test_less_is_better_for_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = Sweep.model_validate({"how": "tpe", "over": OVER})
    study = open_study(sweep)
    name = ask(study, sweep)
    result = get_results([str(name)], higher=False)
    result.points[0].score, result.points[0].loss = None, 0.25
    report_results(study, result)
    assert study.trials[0].value == -0.25
    again = ask(study, sweep)
    result.points[0] = result.points[0].model_copy(update={"run": again, "loss": None})
    assert report_results(study, result) == 1 and study.trials[1].state.name == "FAIL"
    assert report_results(study, result) == 0


def test_a_small_space_ends_when_all_of_it_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = Sweep.model_validate({"how": "tpe", "over": {"train.scheduler": ["cosine", None], "train.packing": [True]}})
    study = open_study(sweep)
    found = [ask(study, sweep) for _ in range(3)]
    assert set(found[:2]) == {"scheduler.cosine-packing.on", "scheduler.auto-packing.on"} and found[2] is None
    assert [one["changes"] for one in read_json(REQUESTED)][0]["train.packing"] is True


def test_the_command_asks_runs_and_ends_with_every_phase(tmp_path: Path) -> None:
    """With a program in the place of Snakemake, which writes the results that a graph would; its second call fails."""
    (tmp_path / "config.yaml").write_text(
        "sweep: {how: tpe, trials: 3, over: {train.lora.r: {low: 4, high: 64}}}\n", encoding="utf-8"
    )
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(
        f"""
import json, pathlib, sys
calls = pathlib.Path("calls.txt")
before = calls.read_text().splitlines() if calls.is_file() else []
calls.write_text("\\n".join([*before, " ".join(sys.argv[1:])]) + "\\n")
if len(before) == 1:
    sys.exit(3)
sys.path.insert(0, {str(tiny.ROOT / "scripts")!r})
from gaslamp.core.sweep_contracts import PointFacts, SweepFacts
rest = dict(steps=1, seconds=1, peak_memory_gb=1, trainable_parameters=1)
points = [PointFacts(run=one["name"], changes=one["changes"], score=0.5, **rest)
          for one in json.loads(pathlib.Path("outputs/sweep.points.json").read_text())]
SweepFacts(metric="x", title="X", n=4, keys=[], points=points).write("outputs/sweep.json")
""",
        encoding="utf-8",
    )
    script = [sys.executable, tiny.ROOT / "scripts/run_sweep.py", "--", sys.executable, stand_in, "--profile", "cpu"]
    done = tiny.run(*script, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert len(read_requested(tmp_path)) == 2
    done = tiny.run(*script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls.txt").read_text(encoding="utf-8").splitlines()
    assert calls == ["--profile cpu outputs/sweep.json"] * 4 + ["--profile cpu"] and len(read_requested(tmp_path)) == 3

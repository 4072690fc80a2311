"""make plan against Snakemake's own dry run, on a project whose whole graph ran."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
import tiny
from gaslamp.core.errors import GaslampError
from gaslamp.guide.documents import RunPlanDocument
from gaslamp.guide.dry_run import DryRunError, get_jobs
from gaslamp.guide.run_plan import read_settings


def test_a_finished_project_has_nothing_to_do_and_a_setting_redoes_what_the_dry_run_says(finished: Path) -> None:
    before = (finished / "config.yaml").read_bytes()
    done = tiny.run(sys.executable, "scripts/plan_run.py", "--json", "--profile", "cpu", cwd=finished)
    assert done.returncode == 0, done.stderr
    plan = RunPlanDocument.model_validate_json(done.stdout).model_dump(mode="json")
    assert plan == json.loads(done.stdout) and plan["jobs"] == [] and plan["seconds"] == 0 and plan["changed"] == {}
    assert plan["done"]["train_model_cpu"] == 1 and plan["done"]["quantize_gguf"] == 2

    done = tiny.run(
        sys.executable, "scripts/plan_run.py", "--json", "--profile", "cpu",
        "--set", "train.max_steps=30 plan.price_per_hour=3.6", cwd=finished,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert (finished / "config.yaml").read_bytes() == before
    tiny.set_config(finished, **{"train.max_steps": 30})
    expected = tiny.get_jobs(finished)
    (finished / "config.yaml").write_bytes(before)
    assert Counter(job["rule"] for job in plan["jobs"]) == Counter(expected) and "train_model_cpu" in expected
    training = next(job for job in plan["jobs"] if job["step"] == "train_model")
    assert training["why"] == "settings" and training["seconds"] > 0 and "measured by a training" in plan["speed"]
    evaluated = next(job for job in plan["jobs"] if job["step"] == "evaluate_model_tuned")
    assert evaluated["is_measured"] and evaluated["why"] == "again", "as long as last time"
    assert plan["changed"]["train.max_steps"]["now"] == 30
    assert plan["price"] == pytest.approx(plan["seconds"] / 1000, abs=0.01)
    assert plan["download_gb"] == {} and plan["fit"] == "fits" and plan["memory_gb"] > 0


def test_what_would_stop_the_run_is_said_and_ends_with_1(finished: Path) -> None:
    done = tiny.run(
        sys.executable, "scripts/plan_run.py", "--profile", "cuda", "--set", "train.max_steps=3", cwd=finished
    )
    assert done.returncode == 1 and "would stop before anything is downloaded" in done.stdout
    assert "a machine with an NVIDIA GPU and its driver" in done.stdout


def test_settings_on_the_command_line() -> None:
    assert read_settings(["train.max_steps=100 run=b"]) == {"train": {"max_steps": 100}, "run": "b"}
    assert read_settings(["export.levels=[q8_0, q4_k_m]; project.task=a b c"]) == {
        "export": {"levels": ["q8_0", "q4_k_m"]},
        "project": {"task": "a b c"},
    }
    with pytest.raises(GaslampError, match="'faster' is no setting"):
        read_settings(["faster"])


def test_a_config_with_problems_says_them(finished: Path) -> None:
    with pytest.raises(DryRunError, match="max_stepz"):
        get_jobs(finished, "cpu", ("--config", "train={max_stepz: 3}"))

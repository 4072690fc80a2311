"""The figures of make plan, with jobs as Snakemake would name them; tests/rules/test_run_plan.py has the real graph."""

from __future__ import annotations

import io
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.guide import run_plan
from gaslamp.guide.documents import RunPlanDocument
from gaslamp.guide.dry_run import DryRunError, Job, get_jobs_and_done
from gaslamp.guide.run_plan import RunPlan, make_plan, read_settings
from gaslamp.guide.run_plan_show import print_run_plan
from gaslamp.guide.step_times import TRAIN_START, get_step_seconds
from gaslamp.guide.times import show_seconds
from gaslamp.models.catalogue import find_model
from gaslamp.models.shape import Shape
from rich.console import Console

MACHINE: dict[str, Any] = {"gpus": [], "cores": 2, "memory_gb": 16.0, "memory_available_gb": 9.0}
MISSING, CHANGED = "Missing output files: x", "Params have changed since last execution: {...}"
CODE = "Updated input files: scripts/gaslamp/train/run.py, scripts/train_model.py"
FACTS = {
    "disk_needed_gb": {"model": 0.3, "merged": 0.27},
    "disk_free_gb": 50.0,
    "memory_needed_gb": 3.2,
    "memory_free_gb": 9.0,
    "fit": "fits",
    "warnings": ["few rows"],
}


def job(step: str, reason: str, **wildcards: str) -> Job:
    return Job(step.removesuffix("_tuned"), wildcards, (f"outputs/{step}",), f"logs/main/{step}.log", reason)


ALL = [
    job("fetch_model", MISSING),
    job("train_model", CHANGED),
    job("evaluate_model_tuned", "Input files updated by another job: x"),
    job("build_demo", CODE),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(run_plan, "find_measured", lambda machine, project=None: [])
    monkeypatch.setattr(run_plan, "get_jobs_and_done", lambda *_: (ALL[1:], Counter([ALL[0].rule])))
    (tmp_path / "data").mkdir()
    card = {"rows": {"train": 500, "valid": 60, "test": 60}, "tokens": {"total": {"p50": 100.0, "p95": 140.0}}}
    (tmp_path / "data" / "card.json").write_text(json.dumps(card))
    (tmp_path / "config.yaml").write_text("method: sft\n")
    (tmp_path / ".gaslamp.json").write_text(json.dumps({"answers": {}, "files": {}}))
    return tmp_path


def plan(project: Path, **values: Any) -> RunPlan:
    config = Config.model_validate({"model": {"source": "Qwen/Qwen3-0.6B"}, **values})
    return make_plan(project, config, ("cpu", "no GPU"), MACHINE, FACTS)


def test_time_price_and_what_is_done(project: Path) -> None:
    made = plan(project, plan={"price_per_hour": 2.0})
    operations = 500 * 100 * 4 * find_model("Qwen/Qwen3-0.6B").shape.computed  # type: ignore[union-attr]
    training = made.jobs[0]
    assert training.seconds == pytest.approx(TRAIN_START + operations / (2 * 40e9)) and "40 GFLOPS" in made.speed_reason
    assert made.price == pytest.approx(made.seconds / 3600 * 2) and made.price_reason == "plan.price_per_hour"
    assert made.done == {"fetch_model": 1} and made.rows_origin == "counted: data/card.json"
    assert plan(project, train={"max_steps": 10}).jobs[0].seconds == pytest.approx(
        TRAIN_START + 10 * 8 * 100 * operations / (500 * 100) / (2 * 40e9)
    ), "10 steps of 2 x 4 rows"
    grpo = plan(project, method="grpo", train={"rewards": [{"name": "exact_answer"}]})
    assert grpo.jobs[0].seconds is None and "samples its answers" in grpo.speed_reason


def test_why_and_the_time_of_last_time(project: Path) -> None:
    assert {one.why for one in plan(project).jobs} == {"new"}, "nothing ran yet"
    (project / "logs").mkdir()
    events = [
        {"event": "start", "step": "evaluate_model_tuned", "pid": 1, "time": "2026-11-30T10:00:00+00:00"},
        {"event": "end", "step": "evaluate_model_tuned", "pid": 1, "status": "ok", "seconds": 77.0},
    ]
    (project / "logs" / "phases.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    made = plan(project)
    assert [one.why for one in made.jobs] == ["settings", "again", "code"]
    assert [(one.seconds, one.is_measured) for one in made.jobs][1] == (77.0, True)
    (project / ".gaslamp").mkdir()
    (project / ".gaslamp" / "config-1.yaml").write_text("model: {source: Qwen/Qwen3-0.6B}\ntrain: {max_steps: 5}\n")
    assert plan(project, train={"max_steps": 9}).changed == {"train.max_steps": (5, 9)}


def test_a_dry_run_without_an_end_is_an_error_in_words(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(command: list[str], **options: Any) -> None:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", never)
    with pytest.raises(DryRunError, match="did not end within 10 minutes: this machine is busy"):
        get_jobs_and_done(project, "cpu")


def test_a_download_is_named_with_its_size(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_plan, "get_jobs_and_done", lambda *_: (ALL, Counter()))
    assert plan(project).download_gb == {"Qwen/Qwen3-0.6B": 1.19}
    assert plan(project, model={"source": "someone/unknown-7B"}).download_gb == {"someone/unknown-7B": 14.0}


@pytest.mark.parametrize("width", [80, 120])
def test_the_plan_fits_the_terminal_and_says_what_would_stop_it(project: Path, width: int) -> None:
    out = io.StringIO()
    made = plan(project)
    made.problem = "error: no memory\n  usual fix:       a smaller model"
    print_run_plan(made, Console(file=out, width=width, color_system=None))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for words in (
        "with 60 test rows",
        "3 to run, 1 done already",
        "3.2 of 9.0 GB (fits)",
        "0.6 of 50.0 GB",
        "few rows",
        "usual fix",
    ):
        assert words in text, words
    facts = RunPlanDocument.make(made).model_dump()
    assert facts["seconds"] == round(made.seconds, 1) and facts["jobs"][0]["rule"] == "train_model"


PARTS = [job(f"run_remote_{part}", MISSING) for part in ("push", "train", "poll", "pull")]


def test_a_training_elsewhere_has_its_steps_its_machine_and_its_price(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = job("evaluate_model_tuned", MISSING)
    jobs = [*PARTS, later]
    monkeypatch.setattr(run_plan, "get_jobs_and_done", lambda *_: (jobs, Counter()))
    source = {"source": "Qwen/Qwen3-0.6B"}

    def show(**values: Any) -> tuple[RunPlan, str]:
        config = Config.model_validate({"model": source, **values})
        made = make_plan(project, config, (config.backend, "PROFILE"), MACHINE, FACTS)
        out = io.StringIO()
        print_run_plan(made, Console(file=out, width=200, color_system=None))
        return made, out.getvalue()

    made, text = show(backend="ssh", remote={"host": "gpu"})
    assert all(one.job.rule in text for one in made.jobs[:4]) and "the training there" in text
    assert "on an L4, as many rented machines have it; the machine is known after the first connection" in text
    assert "of the other machine, checked as soon as it is reached" in text and "may be another one" in text
    poll = made.jobs[2].seconds
    assert poll and made.price == pytest.approx(0.78 * sum(one.seconds or 0 for one in made.jobs[:4]) / 3600)
    all_there, _ = show(backend="ssh", remote={"host": "gpu", "evaluate": "there"})
    assert all_there.price == pytest.approx(0.78 * all_there.seconds / 3600)

    (project / "outputs" / "main").mkdir(parents=True)
    facts = {"elsewhere": {"profile": "ssh", "machine": "sql4 (node7), 1 x NVIDIA H100 80GB HBM3", "seconds": 1.0}}
    (project / "outputs" / "main" / "train.json").write_text(json.dumps(facts))
    made, text = show(backend="ssh", remote={"host": "gpu"})
    assert "1 x NVIDIA H100 80GB HBM3, as in the last training" in text and (made.jobs[2].seconds or poll) < poll
    made, text = show(backend="colab", remote={"gpu": "T4"})
    assert "on T4, remote.gpu: " in text and "nothing to pay" in text and "the free tier" in text
    made, text = show(backend="ssh", remote={"host": "gpu", "backend": "cpu"})
    assert made.jobs[2].seconds is None and "whose speed is not known" in text and "plan.price_per_hour" in text


def test_settings_on_the_command_line() -> None:
    assert read_settings(["train.max_steps=100 run=b"]) == {"train": {"max_steps": 100}, "run": "b"}
    assert read_settings(["export.levels=[q8_0, q4_k_m]; project.task=a b c"]) == {
        "export": {"levels": ["q8_0", "q4_k_m"]},
        "project": {"task": "a b c"},
    }
    with pytest.raises(GaslampError, match="'faster' is no setting"):
        read_settings(["faster"])


def test_steps_grow_with_the_model_and_shrink_with_the_cores() -> None:
    small = find_model("embedded:smollm2-135m-instruct")
    large = find_model("Qwen/Qwen3-8B")
    assert small and large
    assert get_step_seconds("evaluate_model_base", small.shape, 2) == pytest.approx(38, rel=0.01)
    assert get_step_seconds("evaluate_gguf_q4_k_m", small.shape, 4) == pytest.approx(1 + 11 / 2, rel=0.01)
    assert get_step_seconds("merge_adapters", large.shape, 8) == pytest.approx(3 + 2 * 8191 / 134.5, rel=0.01)
    tiny = Shape(400_000, 64, 2, 512)
    assert get_step_seconds("check_parity", tiny, 2) == pytest.approx(6, rel=0.01), "servers start all the same"
    assert get_step_seconds("write_brief", None, 2) == 1 and get_step_seconds("evaluate_model_base", None, 2) is None
    assert [show_seconds(seconds) for seconds in (None, 0.2, 59, 90, 7200)] == [
        "?",
        "1 s",
        "59 s",
        "2 min",
        "2 h",
    ]

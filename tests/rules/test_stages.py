"""Stages in one project: which edit runs which stage again. The files are empty, and recorded as made."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

STAGES: list[dict[str, Any]] = [
    {"name": "read", "method": "cpt", "data": {"source": "data/raw/texts.jsonl"}, "train": {"max_steps": 10}},
    {"name": "chat"},
    {"name": "prefer", "method": "dpo", "data": {"source": "data/raw/pairs.jsonl"}, "train": {"max_steps": 10}},
]
LAST = {"train_model_cpu": 1, "evaluate_model": 1, "compare_models": 1, "compare_stages": 1}
AFTER_CHAT = {
    **LAST,
    "train_model_cpu_stage": 1,
    "evaluate_model_stage": 1,
    "compare_models_stage": 1,
    "merge_start": 1,
    "evaluate_model": 2,
}
AFTER_READ = {
    **AFTER_CHAT,
    "train_model_cpu_stage": 2,
    "evaluate_model_stage": 3,  # base and tuned of chat, tuned of read
    "compare_models_stage": 2,
    "merge_start": 2,
    "evaluate_model_start": 1,  # that of read is the base model
}
TARGETS = (  # without the steps behind the comparison of the last stage
    "outputs/main/eval/verdict.json",
    "outputs/main/eval/stages.json",
    *(f"data/{place}report.html" for place in ("", "read/", "chat/")),
    *(f"outputs/{name}/eval/verdict.json" for name in ("read", "chat")),
)


@pytest.fixture(scope="module")
def project(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of three stages in which every file is there, empty, and recorded as made."""
    folder = tmp_path_factory.mktemp("stages")
    place = tiny.bake(folder, tiny.write_rows(folder / "notes.csv"), tiny_model, {**tiny.SETTINGS, "stages": STAGES})
    for name in ("texts", "pairs"):
        (place / f"data/raw/{name}.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    done = tiny.snakemake(place, "--summary", *TARGETS)
    assert done.returncode == 0, tiny.get_rules_error(done)
    for line in done.stdout.splitlines()[1:]:
        path = place / line.split("\t")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if path.name == "adapters" else path.touch()
    (place / "scripts/check_preflight.py").write_text("", encoding="utf-8")  # the facts of the machine are empty files
    next(place.glob("resources/models/*/export.json")).write_text('{"verdict": "tried"}', encoding="utf-8")
    touched = tiny.snakemake(place, "--touch", *TARGETS)
    assert touched.returncode == 0, tiny.get_rules_error(touched)
    return place


def set_stage(index: int, **parts: Any) -> Callable[[Path], None]:
    def edit(project: Path) -> None:
        stages = [{**stage, **(parts if number == index else {})} for number, stage in enumerate(STAGES)]
        tiny.set_config(project, stages=stages)

    return edit


def add_text(project: Path) -> None:
    file, later = project / "data/raw/texts.jsonl", time.time() + 60
    file.write_text('{"text": "b"}\n', encoding="utf-8")
    os.utime(file, (later, later))


@pytest.mark.parametrize(
    ("edit", "jobs"),
    [
        (lambda project: None, {}),
        (set_stage(2, train={"max_steps": 12}), LAST),
        (set_stage(1, train={"max_steps": 12}), AFTER_CHAT),
        (set_stage(0, train={"max_steps": 12}), AFTER_READ),
        (
            set_stage(0, eval={"max_new_tokens": 9}),
            {"evaluate_model_stage": 2, "compare_models_stage": 1, "compare_stages": 1},
        ),
        (
            add_text,
            {**AFTER_READ, "prepare_data_stage": 1, "build_data_page_stage": 1, "evaluate_model_stage": 4},
        ),
    ],
    ids=["nothing", "the last stage", "the second", "the first", "an evaluation", "a row of the first"],
)
def test_an_edit_reruns_its_stage_and_what_is_trained_on_it(
    project: Path, edit: Callable[[Path], None], jobs: dict[str, int]
) -> None:
    kept = (project / "config.yaml").read_bytes()
    try:
        edit(project)
        assert tiny.get_jobs(project, *TARGETS) == jobs
    finally:
        (project / "config.yaml").write_bytes(kept)

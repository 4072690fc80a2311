"""A project that starts from another project's result: which edit there and here runs what again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny
from gaslamp.core.contracts import ModelFacts
from gaslamp.core.files import read_json
from gaslamp.models.fetch import fetch_model
from trained_runs import write_run


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a trained run, as far as a start needs it."""
    project = tmp_path_factory.mktemp("trained") / "cafe"
    model = SimpleNamespace(source=str(tiny_model), revision=None, adapter=None)
    fetch_model(model, project / "base.json")
    write_run(project, ModelFacts.read(project / "base.json"))
    return project


@pytest.fixture(scope="module")
def following(trained: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that starts from it, with its base merged and its data prepared."""
    folder = tmp_path_factory.mktemp("following")
    settings = {**tiny.SETTINGS, "model.adapter": str(trained / "outputs/main")}
    project = tiny.bake(folder, tiny.write_rows(folder / "notes.csv"), tiny_model, settings)
    done = tiny.snakemake(project, "data/card.json", GASLAMP_CACHE=str(folder / "cache"))
    assert done.returncode == 0, tiny.get_rules_error(done)
    return project


def get_jobs(project: Path) -> dict[str, int]:
    return tiny.get_jobs(project, "data/card.json")


def test_the_start_is_merged_before_the_data_phase(following: Path, trained: Path) -> None:
    (file,) = following.glob("resources/models/*+*/model.json")
    start = read_json(file)
    (one,) = start["starts"]
    assert (
        one["label"] == f"{trained.name}/main"
        and one["verdict"] == "better"
        and one["score"]["value"] > one["base_score"]["value"]
    )
    assert one["adapter_sha256"] == read_json(trained / "outputs/main/train.json")["adapter_sha256"]
    assert "merge_start" in (following / "logs/phases.jsonl").read_text()


def test_a_new_training_there_trains_again_here(following: Path, trained: Path) -> None:
    adapters = trained / "outputs/main/adapters"
    weights, facts = adapters / "adapter_model.safetensors", trained / "outputs/main/train.json"
    kept = {file: (file.read_bytes(), file.stat()) for file in (weights, facts, trained / "data/template.json")}
    later = time.time() + 60
    try:
        for file in (weights, facts, trained / "data/template.json"):
            os.utime(file, (later, later))
        assert get_jobs(following) == {}, "the same bytes"
        weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
        os.utime(weights, (later, later))
        assert get_jobs(following) == {"merge_start": 1, "prepare_data": 1}
    finally:
        for file, (data, stat) in kept.items():
            file.write_bytes(data)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

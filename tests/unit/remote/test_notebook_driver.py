"""The driver notebook: what it writes runs in a real kernel, trains the tiny model, and its archive comes home."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import training
import yaml
from gaslamp.config.load import load_config
from gaslamp.config.slices import Slice, get_slice, parse_slice
from gaslamp.core.contracts import TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import get_history, read_events
from gaslamp.remote import manual
from gaslamp.remote.drivers import notebook
from gaslamp.remote.manual import HANDED, run_manual
from gaslamp.remote.notebook_open import open_bundle
from gaslamp.remote.task import Task, read_task
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[3]
COMMAND = ["scripts/train_model.py"]
for option, value in {
    "model": "resources/models/tiny/model.json",
    "train": "data/train.jsonl",
    "valid": "data/valid.jsonl",
    "template": "data/template.json",
    "config": "config.yaml",
    "checkpoints": "checkpoints/main",
    "metrics": "logs/main/train.metrics.jsonl",
    "adapters": "outputs/main/adapters",
    "facts": "outputs/main/train.json",
    "log": "logs/main/train_model.log",
}.items():
    COMMAND += [f"--{option}", value]


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the driver needs of a project: the pinned library, rows, and the facts of the tiny model."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__", "dev"))
    base = training.write_base(tmp_path / "base", tiny_model, {"conversation": training.ROWS["conversation"]})
    (folder / "data").mkdir()
    for split in ("train", "valid"):
        shutil.copy(base / f"conversation.{split}.jsonl", folder / "data" / f"{split}.jsonl")
    shutil.copy(base / "template.json", folder / "data" / "template.json")
    (folder / "resources" / "models" / "tiny").mkdir(parents=True)
    shutil.copy(base / "model.json", folder / "resources" / "models" / "tiny" / "model.json")
    remote = {"driver": "notebook", "python": sys.executable, "backend": "cpu"}
    values = {"backend": "colab", "train": training.get_values("sft", max_steps=8), "remote": remote}
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(folder)
    return folder


def get_settings(project: Path) -> Slice:
    values = yaml.safe_load((project / "config.yaml").read_text())
    return parse_slice(get_slice(load_config(values), "backend", "method", "remote", "project.name"))


def run_cells(file: Path, folder: Path, *names: str) -> dict[str, str]:
    """Run cells of a notebook in a real kernel that works in ``folder``: what each printed."""
    folder.mkdir(exist_ok=True)
    book: Any = nbformat.reads(file.read_text(), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(book)
    book.cells = [cell for cell in book.cells if not names or cell["id"] in names]
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return {cell["id"]: "".join(output.get("text", "") for output in cell.get("outputs", [])) for cell in book.cells}


def test_the_notebook_trains_and_its_archive_comes_home(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, task = get_settings(project), read_task(COMMAND)
    said: list[str] = []
    for module in (manual, notebook):
        monkeypatch.setattr(module, "say", said.append)
    run_manual(settings, task, project / "config.yaml", "push")
    assert str(project / HANDED / "train.ipynb") in said[0] and "Upload" in said[0] and "Ctrl-C" in said[0]
    assert notebook.find_archive(settings, HANDED) is None
    printed = run_cells(HANDED / "train.ipynb", tmp_path / "there")
    marks = {name: json.loads(text.split(f"{mark}: ")[1].splitlines()[0]) for name, mark, text in (
        (name, mark, printed[name])
        for name, mark in (
            ("setup", "SETUP_OK"),
            ("verify", "VERIFY_OK"),
            ("train", "TRAINING_STARTED"),
            ("poll", "POLL"),
            ("final", "FINAL"),
        )
    )}  # fmt: skip
    assert marks["setup"]["python_version"] == sys.version.split()[0] and marks["verify"]["backend"] == "cpu"
    assert marks["poll"]["done"] is True and marks["final"]["error"] is None
    assert "outputs/main/adapters/adapter_model.safetensors" in marks["final"]["files"]
    [archive] = (tmp_path / "there").glob("gaslamp-*.tar")
    assert archive.name == marks["final"]["archive"]

    downloads = tmp_path / "home" / "Downloads"
    downloads.mkdir(parents=True)
    cut = downloads / archive.name
    cut.write_bytes(archive.read_bytes()[:-5000])
    assert notebook.find_archive(settings, HANDED) is None, "it came only in part"
    assert notebook.find_archive(settings, HANDED) is None
    assert "".join(said).count("is not whole") == 1, "that is said once"
    with pytest.raises(GaslampError, match="no archive came back"):
        run_manual(settings, task, project / "config.yaml", "pull")
    whole = downloads / archive.name.replace(".tar", " (1).tar")  # as a browser calls a second download
    shutil.copy(archive, whole)
    assert notebook.find_archive(settings, HANDED) == whole
    run_manual(settings, task, project / "config.yaml", "poll")
    run_manual(settings, task, project / "config.yaml", "pull")
    facts = TrainFacts.read("outputs/main/train.json")
    steps = get_history(read_events(Path("logs/main/train.metrics.jsonl")))
    assert facts.steps == 8 and len(steps) == 8 and steps[-1]["loss"] < steps[0]["loss"]
    assert Path("outputs/main/adapters/adapter_model.safetensors").stat().st_size > 10_000


def test_the_same_bundle_is_the_same_notebook(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, task = get_settings(project), read_task(COMMAND)
    monkeypatch.setattr(notebook, "EMBEDDED", 0)
    run_manual(settings, task, project / "config.yaml", "push")
    first = (HANDED / "train.ipynb").read_bytes()
    run_manual(settings, task, project / "config.yaml", "push")
    assert (HANDED / "train.ipynb").read_bytes() == first, "a notebook that runs somewhere stays the right one"
    with pytest.raises(ValueError, match="is not the file that belongs to this notebook"):
        open_bundle("x", "0" * 64, "YW5vdGhlcg==")


@pytest.mark.by_hand
def test_a_failed_training_stops_the_notebook(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "data" / "train.jsonl").write_text("{broken\n")
    monkeypatch.setattr(notebook, "EMBEDDED", 0)
    run_manual(get_settings(project), read_task(COMMAND), project / "config.yaml", "push")
    there = tmp_path / "there"
    with pytest.raises(CellExecutionError, match="put bundle.tar.gz, which lies next to this notebook, into"):
        run_cells(HANDED / "train.ipynb", there)
    shutil.copy(HANDED / "bundle.tar.gz", there)
    with pytest.raises(CellExecutionError, match="the training failed: see the lines above"):
        run_cells(HANDED / "train.ipynb", there, "bundle", "setup", "train", "poll")
    with pytest.raises(CellExecutionError, match="outputs/main/adapters, outputs/main/train.json is not there"):
        run_cells(HANDED / "train.ipynb", there, "bundle", "setup", "final")


@pytest.mark.parametrize("key", ["evaluate", "export"])
def test_what_a_notebook_cannot_do_is_said_first(project: Path, key: str) -> None:
    values: dict[str, Any] = yaml.safe_load((project / "config.yaml").read_text())
    values["remote"][key] = "there"
    (project / "config.yaml").write_text(yaml.safe_dump(values))
    [problem] = notebook.find_problems(get_settings(project))
    assert f"remote.{key} says there" in problem.cause and f"set remote.{key}: here" in problem.fix


def test_a_hub_model_is_fetched_there(project: Path) -> None:
    """Its model.json is not in the bundle: the notebook makes it, with the same step as here."""
    from gaslamp.core.files import read_json, write_json

    file = project / "resources" / "models" / "tiny" / "model.json"
    write_json(file, {**read_json(file), "source": "someone/model"})
    run_manual(get_settings(project), Task(tuple(COMMAND)), project / "config.yaml", "push")
    text = (HANDED / "train.ipynb").read_text()
    assert "'model': 'resources/models/tiny/model.json'" in text and "notebook_side.verify(getpass.getpass())" in text


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has a GPU")
def test_a_machine_that_cannot_train_is_named_before_anything_is_installed(project: Path, tmp_path: Path) -> None:
    values: dict[str, Any] = yaml.safe_load((project / "config.yaml").read_text())
    values["remote"] |= {"backend": "cuda", "python": None}
    (project / "config.yaml").write_text(yaml.safe_dump(values))
    run_manual(get_settings(project), read_task(COMMAND), project / "config.yaml", "push")
    with pytest.raises(CellExecutionError, match="--fit-for ended with 1") as caught:
        run_cells(HANDED / "train.ipynb", tmp_path / "there", "bundle", "setup")
    assert "no NVIDIA GPU here" in str(caught.value) and not list((tmp_path / "there").glob("environment*"))

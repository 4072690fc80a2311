"""`snakemake --profile ssh` through the whole graph: a real sshd on 127.0.0.1 is the machine that trains."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import tiny
from gaslamp.core.contracts import TrainFacts
from gaslamp.remote.place import get_folder_name
from remote_stands.ssh import Sshd, serve
from remote_stands.waiting import wait_until

LONG = 600.0  # seconds: nothing here depends on how fast it goes
METRICS = "logs/main/train.metrics.jsonl"
LATER = ["check_parity", "convert_gguf_f16", "evaluate_model_base", "evaluate_model_tuned", "merge_adapters"]
LATER += [f"evaluate_gguf_{level}" for level in ("f16", "q8_0", "q4_k_m")]
LATER += [f"quantize_gguf_{level}" for level in ("q8_0", "q4_k_m")]
pytestmark = [pytest.mark.graphs, pytest.mark.timeout(1500)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with serve(tmp_path / "sshd") as server:
        yield server


def bake(tmp_path: Path, server: Sshd, **settings: object) -> Path:
    model = tiny.write_checkpoint(tmp_path / "tiny-chat")
    data = tiny.write_rows(tmp_path / "notes.csv")
    remote = {**server.remote, "python": sys.executable, "backend": "cpu", "poll_seconds": 3}
    values = {f"remote.{key}": value for key, value in remote.items()}
    return tiny.bake(tmp_path / "projects", data, model, {**tiny.SETTINGS, **values, **settings})


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return tiny.run(tiny.SNAKEMAKE, "--profile", "ssh", *arguments, cwd=project, timeout=1400)


def read_steps(project: Path) -> list[int]:
    """The steps whose losses came home, in the file's order."""
    events = map(json.loads, (project / METRICS).read_text(encoding="utf-8").splitlines())
    return [event["step"] for event in events if event["event"] == "step"]


def find_processes(project: Path) -> list[psutil.Process]:
    """What runs in a project's folder here."""
    return [one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == str(project)]


@pytest.mark.parametrize("where", ["there", "here"])
def test_the_whole_graph_with_a_machine_of_ssh(where: str, server: Sshd, tmp_path: Path) -> None:
    project = bake(tmp_path, server, **{"remote.evaluate": where, "remote.export": where})
    done = run(project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    made = project / "outputs" / "main" / "gguf"
    assert json.loads((made / "parity.json").read_text())["passed"]
    assert (made / "model-q8_0.gguf").is_file() and (made / "model-q4_k_m.gguf").is_file()
    assert read_steps(project) == list(range(1, 41))
    log = (project / ".gaslamp" / "remote" / "steps.jsonl").read_text(encoding="utf-8")
    later = LATER if where == "there" else []
    assert {json.loads(line)["step"] for line in log.splitlines()} == {
        f"main.{name}" for name in ["train_model", *later]
    }
    also = [
        line for line in (project / "gaslamp.md").read_text(encoding="utf-8").splitlines() if "Also run there" in line
    ]
    assert sorted(name for line in also for name in line.split("|")[2].strip().split(", ")) == sorted(later)
    assert "Nothing to be done" in tiny.get_rules_error(run(project, "--dry-run"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Sshd]]:
    """A project with all that comes before the training, and its machine."""
    folder = tmp_path_factory.mktemp("kills")
    with serve(folder / "sshd") as server:
        project = bake(folder, server, **{"train.max_steps": 120, "train.save_steps": 10})
        done = run(project, "data/train.jsonl", "outputs/env/preflight.json")
        assert done.returncode == 0, tiny.get_rules_error(done)
        model = next((project / "resources" / "models").glob("*/model.json"))
        done = run(project, str(model.with_name("export.json").relative_to(project)))
        assert done.returncode == 0, tiny.get_rules_error(done)
        yield project, server


@pytest.mark.parametrize("part", ["push", "train", "poll", "pull"])
def test_a_killed_snakemake_is_followed_by_the_same_command(
    part: str, prepared: tuple[Path, Sshd], tmp_path: Path
) -> None:
    """kill -9 of Snakemake alone: what it had started lives on, here and there, and nothing is trained twice."""
    project = tiny.copy_project(prepared[0], tmp_path)  # its folder over there is another one too
    log = project / "logs" / "main" / f"run_remote_{part}.log"
    runs = [first := start(project, tmp_path / "first.txt")]
    try:
        wait_until(lambda: log.is_file() or first.poll() is not None, f"{log.name} begins", LONG)
        assert first.poll() is None, (tmp_path / "first.txt").read_text()
        first.kill()
        first.wait()
        runs.append(second := start(project, tmp_path / "second.txt"))
        assert second.wait(LONG) == 0, (tmp_path / "second.txt").read_text()
    finally:
        for one in runs:
            one.kill()
        wait_until(lambda: not find_processes(project), "nothing of it is left here")
    facts = TrainFacts.read(project / "outputs" / "main" / "train.json")
    assert facts.attempts == 1 and not facts.resumed_from and facts.steps == 120
    assert read_steps(project) == list(range(1, 121))
    there = prepared[1].home / "gaslamp" / get_folder_name(project) / METRICS
    assert there.read_bytes() == (project / METRICS).read_bytes()


def start(project: Path, said: Path) -> subprocess.Popen[bytes]:
    """The training with Snakemake, as a process."""
    with said.open("wb") as out:
        return subprocess.Popen(
            [str(tiny.SNAKEMAKE), "--profile", "ssh", "outputs/main/train.json"],
            cwd=project,
            env=tiny.get_environ(project.parent / "gaslamp_home"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )

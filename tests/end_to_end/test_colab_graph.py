"""`snakemake --profile colab` through the whole graph: the real command line of Colab, a STUB that hands machines out,
and a real Jupyter server as the machine. Google's sign-in, quota and GPUs are in no test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from remote_stands.colab import Assigner, assigning, find_cli, get_remote
from remote_stands.waiting import wait_until

LONG = 600.0  # seconds: nothing here depends on how fast it goes
pytestmark = [pytest.mark.by_hand, pytest.mark.timeout(3000)]


@pytest.fixture
def assigner(tmp_path: Path) -> Iterator[Assigner]:
    find_cli()
    with assigning(tmp_path) as server:
        yield server


def bake(tmp_path: Path, assigner: Assigner, **settings: object) -> Path:
    model = tiny.write_checkpoint(tmp_path / "tiny-chat")
    data = tiny.write_rows(tmp_path / "notes.csv")
    remote = {**get_remote(tmp_path, assigner), "python": sys.executable, "backend": "cpu", "poll_seconds": 1}
    values = {f"remote.{key}": value for key, value in remote.items()}
    return tiny.bake(tmp_path / "projects", data, model, {**tiny.SETTINGS, **values, **settings})


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return tiny.run(tiny.SNAKEMAKE, "--profile", "colab", *arguments, cwd=project, timeout=1400)


def test_the_whole_graph_with_a_machine_of_colab(assigner: Assigner, tmp_path: Path) -> None:
    project = bake(tmp_path, assigner)
    done = run(project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    assert assigner.requested == ["NONE"] and assigner.returned == ["m-0"] and assigner.runtimes == {}
    made = project / "outputs" / "main" / "gguf"
    assert json.loads((made / "parity.json").read_text())["passed"]
    assert (made / "model-q8_0.gguf").is_file() and (made / "model-q4_k_m.gguf").is_file()
    metrics = (project / "logs" / "main" / "train.metrics.jsonl").read_text().splitlines()
    assert sum('"loss"' in line for line in metrics) >= 40
    assert "Nothing to be done" in tiny.get_rules_error(run(project, "--dry-run"))


def test_a_machine_that_is_taken_away_and_a_killed_run_cost_no_more_than_the_last_checkpoint(
    assigner: Assigner, tmp_path: Path
) -> None:
    """The machine is lost in the middle, then Snakemake is interrupted: each time another machine goes on."""
    project = bake(
        tmp_path, assigner, **{"remote.checkpoint_minutes": 0.05, "train.max_steps": 400, "train.save_steps": 20}
    )
    command = [str(tiny.SNAKEMAKE), "--profile", "colab", "outputs/main/train.json"]
    metrics = project / "logs" / "main" / "train.metrics.jsonl"

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "snakemake.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=project,
                env=tiny.get_environ(tmp_path / "gaslamp_home"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def has_checkpoint() -> bool:
        return any((project / "checkpoints" / "main").glob("*/checkpoint-*"))

    first = start()
    try:
        wait_until(has_checkpoint, "a checkpoint came home", LONG)
        assigner.lose("m-0")
        wait_until(lambda: "m-1" in assigner.runtimes, "another machine", LONG)
        size = metrics.stat().st_size
        wait_until(lambda: metrics.stat().st_size > size, "it goes on there", LONG)
        os.killpg(first.pid, signal.SIGINT)
        assert first.wait(LONG) != 0
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
    assert assigner.returned == ["m-1"] and assigner.runtimes == {}, "Ctrl-C gives the machine back"
    second = start()
    assert second.wait(1000) == 0, (tmp_path / "snakemake.log").read_text()
    assert assigner.returned == ["m-1", "m-2"] and assigner.runtimes == {}
    facts = json.loads((project / "outputs" / "main" / "train.json").read_text())
    assert facts["steps"] == 400 and facts["resumed_from"], "it went on from a checkpoint"

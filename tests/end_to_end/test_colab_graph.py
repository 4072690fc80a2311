"""`snakemake --profile colab` through the whole graph: the real command line of Colab, a STUB that hands machines out,
and a real Jupyter server as the machine. Google's sign-in, quota and GPUs are in no test.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from remote_stands.colab import Assigner, assigning, find_cli, get_remote

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

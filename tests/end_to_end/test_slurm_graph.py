"""The same project on a real Slurm of one machine: the whole graph with what happens on clusters, and a sweep."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny
from gaslamp.core.files import read_json
from remote_stands.slurm import Slurm, serve_slurm

pytestmark = [pytest.mark.by_hand, pytest.mark.timeout(2400)]
METRICS = "logs/main/train.metrics.jsonl"
PROFILE = ("--profile", "slurm", "--config", "backend=cpu")
SOON = ("--slurm-init-seconds-before-status-checks", "2")  # a real cluster is queried less often
SLOTS = 4  # of the stand, whatever the machine has: two jobs of two


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Slurm]:
    with serve_slurm(tmp_path / "cluster", cpus=SLOTS) as cluster:
        yield cluster


def bake(tmp_path: Path, **settings: object) -> Path:
    model, data = tiny.write_checkpoint(tmp_path / "tiny-chat"), tiny.write_rows(tmp_path / "notes.csv")
    return tiny.bake(tmp_path / "projects", data, model, {**tiny.SETTINGS, **settings})


def start(project: Path, cluster: Slurm, *arguments: str) -> subprocess.Popen[str]:
    """The command of the page, with its output in out.txt next to the project."""
    with (project.parent / "out.txt").open("w", encoding="utf-8") as out:
        return subprocess.Popen(
            [str(tiny.SNAKEMAKE), *PROFILE, *SOON, *arguments],
            cwd=project,
            env=tiny.get_environ(project.parent / "home", **cluster.environ),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )


def read_said(project: Path) -> str:
    return (project.parent / "out.txt").read_text(encoding="utf-8")


def wait_for(what: Callable[[], object], process: subprocess.Popen[str], project: Path) -> None:
    end = time.monotonic() + 600
    while not what():
        assert process.poll() is None and time.monotonic() < end, read_said(project)[-3000:]
        time.sleep(0.1)


def read_events(project: Path, kind: str) -> list[dict[str, object]]:
    file = project / METRICS
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def find_running(cluster: Slurm, rule: str) -> list[str]:
    """Numbers of the running jobs of a rule."""
    return [
        number for number, (state, comment) in cluster.list_jobs().items() if state == "RUNNING" and rule in comment
    ]


def test_the_whole_graph_with_a_cancelled_job_a_drained_node_and_a_new_controller(
    cluster: Slurm, tmp_path: Path
) -> None:
    project = bake(tmp_path, **{"train.max_steps": 400, "train.save_steps": 10})
    first = start(project, cluster)
    wait_for(lambda: len(read_events(project, "step")) > 40, first, project)
    cluster.ask("scancel", *find_running(cluster, "train_model"))
    assert first.wait(timeout=600) != 0
    said = read_said(project)
    assert "stopped in train_model" in said and "is saved" in said and "Traceback" not in said, said[-3000:]
    assert "[prepare_data] 60 rows read" in said, "what a step on a node says is seen"

    again = start(project, cluster)
    wait_for(lambda: len(read_events(project, "start")) > 1, again, project)
    cluster.ask("scontrol", "update", f"nodename={cluster.host}", "state=drain", "reason=test")
    cluster.stop("slurmctld")
    time.sleep(3)
    cluster.start("slurmctld")
    cluster.wait_for(lambda: "drain" in cluster.ask("sinfo", "--noheader", "--format", "%T"))
    cluster.ask("scontrol", "update", f"nodename={cluster.host}", "state=resume")
    assert again.wait(timeout=1500) == 0, read_said(project)[-3000:]
    resumed = read_events(project, "start")[-1]["resumed_from"]
    assert isinstance(resumed, int) and resumed >= 30, "the cancelled training went on from its checkpoint"
    assert read_json(project / "outputs/main/gguf/parity.json")["passed"]
    said = read_said(project)
    assert "32 of 32 steps" in said or "the shipped model is the evaluated model" in said
    dry = tiny.run(tiny.SNAKEMAKE, *PROFILE, "--dry-run", cwd=project, timeout=300, **cluster.environ)
    assert "Nothing to be done" in dry.stdout + dry.stderr, "the same project, nothing done twice"


def test_a_sweep_of_six_points_over_two_slots(cluster: Slurm, tmp_path: Path) -> None:
    over = {"train.lora.r": [2, 4, 8], "train.learning_rate": [0.02, 0.01]}
    project = bake(tmp_path, **{"sweep.over": over, "sweep.keep": 1, "train.max_steps": 60})
    run = start(project, cluster, "outputs/sweep.json")
    together: list[int] = []

    def look() -> bool:
        together.append(len(find_running(cluster, "train_model")))
        return run.poll() is not None

    end = time.monotonic() + 2000
    while not look():
        assert time.monotonic() < end, read_said(project)[-3000:]
        time.sleep(0.3)
    assert run.returncode == 0, read_said(project)[-3000:]
    assert max(together) == 2, "two points train side by side, and no more than there are slots"
    points = read_json(project / "outputs/sweep.json")["points"]
    assert len(points) == 6 and all(point["score"] is not None for point in points)

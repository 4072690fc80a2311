"""A training on another machine, for real: the tiny model, a real sshd on 127.0.0.1, and faults on both sides."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hub_stub
import pytest
import tiny
from gaslamp.core.contracts import Parity, TrainFacts
from gaslamp.core.files import sha256_path
from gaslamp.core.liveness import is_training_alive
from hub_stub import serve_hub
from remote_project import TRAIN, RemoteProject
from remote_stands import image
from remote_stands.ssh import Sshd, serve

SECRET = "hf_" + "thisIsNoRealToken"


@dataclass
class Hub:
    """What the stub of the model hub saw."""

    url: str
    requested: list[str]
    shown: list[str] = field(default_factory=list)  # command lines with the token, while a client waited


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Hub]:
    """A STUB of the hub with the tiny model as a gated repository, which only SECRET opens."""
    root, found = tmp_path_factory.mktemp("hub"), Hub("", [])
    shutil.copytree(tiny_model, root / "models" / "me" / "tiny")

    def look() -> None:
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if SECRET.encode() in (line := place.read_bytes()):
                    found.shown.append(line.decode(errors="replace"))

    with serve_hub(root, SECRET, look) as (found.url, found.requested):
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[Sshd]:
    with serve(tmp_path_factory.mktemp("sshd"), HF_ENDPOINT=hub.url, HF_HUB_DISABLE_XET="1") as server:
        yield server


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, server: Sshd) -> RemoteProject:
    """A project whose training went through the four parts, with a gated model of the hub."""
    folder = tmp_path_factory.mktemp("undisturbed") / "project"
    project = RemoteProject(folder, tiny_model, server, source="me/tiny", hf_token=True)
    refused = project.start("push")
    said, _ = refused.communicate(timeout=600)
    assert refused.returncode != 0 and "the hub has no model 'me/tiny' that you may read" in said, said
    assert "it is gated or private: accept its terms" in said and "remote.hf_token: true" in said
    project.said = {"refused": said} | {
        part: project.run(part, HF_TOKEN=SECRET) for part in ("push", "train", "poll", "pull")
    }
    return project


def read_facts(project: RemoteProject) -> TrainFacts:
    return TrainFacts.read(project.folder / "outputs/main/train.json")


def test_a_training_runs_there_and_comes_home(undisturbed: RemoteProject) -> None:
    here, there = undisturbed.folder, undisturbed.there
    facts = read_facts(undisturbed)
    assert facts.backend == "cpu" and facts.steps == TRAIN["max_steps"] and facts.attempts == 1
    assert facts.elsewhere and facts.elsewhere.profile == "ssh" and "127.0.0.1" in facts.elsewhere.machine
    for name in ("outputs/main/adapters", "logs/main/train.metrics.jsonl", "checkpoints/main"):
        newest = sorted((there / name).glob("*/checkpoint-*"))[-1:] or [there / name]
        place = newest[0].relative_to(there)
        assert (here / place).exists() and sha256_path(here / place) == sha256_path(there / place)
    steps = [event["step"] for event in undisturbed.read_metrics() if event["event"] == "step"]
    assert steps == list(range(1, TRAIN["max_steps"] + 1))


def test_each_part_reports_what_it_found_done(undisturbed: RemoteProject) -> None:
    said = undisturbed.said
    assert "SETUP_OK" in said["refused"] and "VERIFY_OK" in said["refused"] and "VERIFY_OK" not in said["push"]
    assert "sent 0 files" in said["train"] and "started on" in said["train"]
    assert "still runs" in said["poll"] and "is finished" in said["pull"]
    before = sha256_path(undisturbed.folder / "outputs/main")
    assert "is finished" in undisturbed.run("pull")
    assert read_facts(undisturbed).attempts == 1
    facts = json.loads((undisturbed.folder / "outputs/main/train.json").read_text(encoding="utf-8"))
    assert facts["elsewhere"].pop("seconds") > 0 and before


def test_the_bundle_holds_exactly_the_listed_files(undisturbed: RemoteProject) -> None:
    made = ("outputs/", "logs/", "checkpoints/", ".gaslamp/there/", ".gaslamp/seals/")
    there = {
        file.relative_to(undisturbed.there).as_posix()
        for file in undisturbed.there.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    sent = {name for name in there if not name.startswith(made)}
    code = {name for name in sent if name.split("/")[0] in ("scripts", "rules", "workflow", "profiles")}
    assert sent - code == {
        "pyproject.toml",
        ".gaslamp/remote-config.yaml",
        "data/train.jsonl",
        "data/valid.jsonl",
        "data/template.json",
        "resources/models/tiny/model.json",  # written there: the weights are in the cache there
    }
    assert "scripts/train_model.py" in code and not any("/dev/" in name for name in code)


def test_a_gated_model_is_fetched_there_and_its_token_is_in_no_file_and_no_process_list(
    undisturbed: RemoteProject, hub: Hub
) -> None:
    assert "fetching me/tiny on 127.0.0.1" in undisturbed.said["push"]
    weights = [one for one in hub.requested if one == f"GET /me/tiny/resolve/{hub_stub.COMMIT}/model.safetensors"]
    assert len(weights) == 1, "once, by the other machine"
    path = json.loads((undisturbed.there / "resources/models/tiny/model.json").read_text(encoding="utf-8"))["path"]
    assert Path(path).is_relative_to(undisturbed.server.home / ".cache" / "huggingface")
    assert hub.shown == []
    places = (undisturbed.server.home, undisturbed.server.folder, undisturbed.folder)
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    assert len(files) > 500
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []


def test_faults_on_both_sides_cost_no_step(undisturbed: RemoteProject, tiny_model: Path, tmp_path: Path) -> None:
    """The way is cut, the server ends, the poll here is killed, the trainer there is killed: the result is the same."""
    with serve(tmp_path / "sshd") as server:
        project = RemoteProject(tmp_path / "project", tiny_model, server, checkpoint_minutes=0.05)
        project.adopt(undisturbed)
        poll = project.start("poll")
        project.hold_training(12, poll)
        sent = {file.name for file in (project.there / "resources/models/tiny/files").iterdir()}
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= sent, "a local model goes along"
        project.wait(lambda: project.get_step() >= 12, poll)
        start = project.read_metrics()[0]
        assert start["remote"] is True and is_training_alive(start, project.folder)
        poll.send_signal(signal.SIGKILL)
        poll.communicate()
        assert not is_training_alive(start, project.folder)
        server.stop()
        poll = project.start("poll")
        server.start()
        project.wait(lambda: is_training_alive(start, project.folder), poll)
        server.cut()
        project.wait(lambda: sorted(project.folder.glob("checkpoints/main/*/checkpoint-*")), poll)
        project.signal_training(signal.SIGKILL)
        said, _ = poll.communicate(timeout=600)
        assert poll.returncode == 0 and "goes on from checkpoint-" in said, said
        project.run("pull")
        facts = read_facts(project)
        assert facts.attempts == 2 and facts.resumed_from[-1] >= 10
        here, there = (place / "logs/main/train.metrics.jsonl" for place in (project.folder, project.there))
        assert here.read_bytes() == there.read_bytes()
        assert facts.loss_last == pytest.approx(read_facts(undisturbed).loss_last, rel=1e-4)


@pytest.mark.graphs
def test_another_machine_goes_on_from_what_came_home(
    undisturbed: RemoteProject, tiny_model: Path, tmp_path: Path
) -> None:
    """The first machine is gone with all it had; nothing but checkpoint and metrics here are left."""
    with serve(tmp_path / "first") as first, serve(tmp_path / "second") as second:
        project = RemoteProject(tmp_path / "project", tiny_model, first, checkpoint_minutes=0.05)
        project.run("push")
        poll = project.start("poll")
        project.hold_training(12, poll)
        project.wait(lambda: sorted(project.folder.glob("checkpoints/main/*/checkpoint-*")), poll)
        poll.send_signal(signal.SIGKILL)
        poll.communicate()
        project.signal_training(signal.SIGKILL)
        first.stop()
        shutil.rmtree(first.home)
        project.server = second
        project.set()
        said = project.run("pull")
        assert "sending checkpoint-" in said
        facts = read_facts(project)
        assert facts.steps == TRAIN["max_steps"] and facts.resumed_from[-1] >= 10
        assert facts.loss_last == pytest.approx(read_facts(undisturbed).loss_last, rel=1e-4)


def test_an_error_of_a_step_is_shown_with_its_own_fix(
    undisturbed: RemoteProject, server: Sshd, tiny_model: Path, tmp_path: Path
) -> None:
    project = RemoteProject(tmp_path / "project", tiny_model, server)
    project.adopt(undisturbed)
    failed = "q4_k_m answers otherwise"
    Parity(passed=False, summary=failed, prompts=1, checks=[]).write(project.folder / "parity.json")
    files = "--parity parity.json --out outputs/passed.txt --log logs/require_parity.log"
    process = project.start("run", "scripts/require_parity.py", *files.split())
    said, _ = process.communicate(timeout=600)
    assert process.returncode != 0 and "error: on 127.0.0.1" in said and failed in said and "usual fix:" in said
    assert not (project.folder / "outputs").exists() or not list((project.folder / "outputs").rglob("*.txt"))


@pytest.mark.by_hand
@pytest.mark.timeout(3000)
def test_without_an_interpreter_there_an_environment_is_made_by_the_pins(tiny_model: Path, tmp_path: Path) -> None:
    """From the package index, with the settings of pip here; one pinned package is built, of Python alone."""
    with serve(tmp_path / "sshd") as server:
        settings_here = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True)
        options = {
            name.rpartition(".")[2]: " ".join(ast.literal_eval(value).split())
            for name, _, value in (line.partition("=") for line in settings_here.splitlines())
        }
        settings = server.home / ".config" / "pip" / "pip.conf"
        settings.parent.mkdir(parents=True)
        lines = "".join(f"{name} = {value}\n" for name, value in options.items())
        settings.write_text(f"[global]\n{lines}", encoding="utf-8")
        project = RemoteProject(tmp_path / "project", tiny_model, server, python=None)
        said = {part: project.run(part, timeout=2400) for part in ("push", "train", "poll", "pull")}
        [python] = (server.home / "gaslamp" / "environments").glob("*/bin/python")
        name = python.parts[-3]  # by the pins
        assert "SETUP_OK" in said["push"] and f"environments/{name}/bin/python" in said["push"]
        facts = read_facts(project)
        assert facts.steps == TRAIN["max_steps"] and (project.folder / "outputs/main/adapters").is_dir()
        listed = tomllib.loads((tiny.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = [*listed["dependencies"], *listed["optional-dependencies"]["cpu"]]
        pins = dict(one.split("==") for one in wanted if "==" in one)
        there = json.loads(subprocess.check_output([python, "-m", "pip", "list", "--format", "json"]))
        versions = {one["name"].lower().replace("_", "-"): one["version"].partition("+")[0] for one in there}
        assert len(pins) > 8 and {name: versions[name] for name in pins} == pins
        again = project.run("push", timeout=2400)
        assert "installing" not in again, "the environment is made once"
        other = RemoteProject(tmp_path / "other", tiny_model, server, python=None)
        said_other = other.run("push", timeout=2400)
        assert f"environments/{name}/bin/python" in said_other
        assert len(list((server.home / "gaslamp" / "environments").iterdir())) == 1, (
            "projects with the same pins share it"
        )


@pytest.mark.by_hand
def test_two_processes_train_together_there_and_a_killed_one_goes_on(tiny_model: Path, tmp_path: Path) -> None:
    """As on a machine with two GPUs: accelerate and gloo on two processes of the processor."""
    with serve(tmp_path / "sshd") as server:
        project = RemoteProject(tmp_path / "project", tiny_model, server, train={"processes": 2})
        project.run("push")
        poll = project.start("poll")
        project.hold_training(12, poll)
        project.signal_training(signal.SIGKILL)  # the first process: the others are ended with it
        said, _ = poll.communicate(timeout=600)
        assert poll.returncode == 0 and "goes on from checkpoint-" in said, said
        project.run("pull")
        facts = read_facts(project)
        assert facts.steps == TRAIN["max_steps"] and facts.attempts == 2 and facts.resumed_from[-1] >= 10
        steps = [event["step"] for event in project.read_metrics() if event["event"] == "step"]
        assert steps[-1] == TRAIN["max_steps"]
        assert facts.settings["processes"] == 2


@pytest.mark.by_hand
@pytest.mark.timeout(2400)
def test_mlx_trains_there(tiny_model: Path, tmp_path: Path) -> None:
    """remote.backend: mac, with MLX on this processor: its own environment, its checkpoints, its adapter."""
    done = subprocess.run(["make", "mlx", "LIGHT=1"], cwd=tiny.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    python = str(tiny.ROOT / ".venv-mlx" / "bin" / "python")
    with serve(tmp_path / "sshd") as server:
        project = RemoteProject(tmp_path / "project", tiny_model, server, python=python, backend="mac")
        said = [project.run(part) for part in ("push", "train", "poll", "pull")]
        assert "backend mac" in said[0]
        facts = read_facts(project)
        assert facts.backend == "mac" and facts.steps == TRAIN["max_steps"] and facts.loss_last < facts.loss_first
        assert (project.folder / "outputs/main/adapters/adapter_model.safetensors").is_file()
        assert sorted(project.folder.glob("checkpoints/main/*/checkpoint-*")), "the last checkpoint came home"


@pytest.mark.by_hand
def test_in_a_container_image_the_same_steps_run(tiny_model: Path, tmp_path: Path) -> None:
    """podman, for real. A process of one container is found and signalled from the next; a killed trainer goes on."""
    with image.engine(tmp_path / "engine") as variables, serve(tmp_path / "sshd", **variables) as server:
        project = RemoteProject(tmp_path / "project", tiny_model, server, python=None, image=image.NAME)
        said = project.run("push")
        assert "podman runs" in said and "has the packages" in said and "SETUP_OK" in said and "VERIFY_OK" in said
        poll = project.start("poll")
        project.hold_training(12, poll)
        listed = subprocess.check_output(["podman", "ps", "-q"], env={**os.environ, **variables}, text=True)
        assert listed.split(), "it trains in a container"
        project.signal_training(signal.SIGKILL)
        said, _ = poll.communicate(timeout=600)
        assert poll.returncode == 0 and "goes on from checkpoint-" in said, said
        assert "is finished" in project.run("pull")
        facts = read_facts(project)
        assert facts.steps == TRAIN["max_steps"] and facts.attempts == 2
        assert (project.folder / "outputs/main/adapters/adapter_model.safetensors").is_file()
        missing = RemoteProject(tmp_path / "other", tiny_model, server, python=None, image="localhost/no-such:1")
        process = missing.start("push")
        said, _ = process.communicate(timeout=600)
        assert process.returncode != 0 and "podman cannot run localhost/no-such:1" in said and "usual fix:" in said


@pytest.mark.graphs
def test_two_steps_at_the_same_time_do_not_mix(tiny_model: Path, server: Sshd, tmp_path: Path) -> None:
    """Both send first to a machine that is not set up; each sends files of its own and gets its own output."""
    project = RemoteProject(tmp_path / "project", tiny_model, server)
    steps = {}
    for name in ("first", "second"):
        place = project.folder / name
        place.mkdir()
        Parity(passed=True, summary=f"of the {name}", prompts=1, checks=[]).write(place / "parity.json")
        files = f"--parity {name}/parity.json --out outputs/{name}.txt --log logs/{name}.log"
        steps[name] = project.start("run", "scripts/require_parity.py", *files.split())
    said = {name: step.communicate(timeout=600)[0] for name, step in steps.items()}
    assert [step.returncode for step in steps.values()] == [0, 0], said
    for name in steps:
        assert (project.folder / f"outputs/{name}.txt").read_text(encoding="utf-8") == f"of the {name}\n"
    assert sum("VERIFY_OK" in text for text in said.values()) == 1, "the second finds what the first made ready"
    done = [json.loads(line) for line in (project.folder / ".gaslamp/remote/steps.jsonl").read_text().splitlines()]
    assert {line["step"] for line in done} == set(steps)

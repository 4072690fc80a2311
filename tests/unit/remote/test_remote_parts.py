"""The parts of a remote step without a machine: lines, bundle, task, the files that are put in place over there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_bytes
from gaslamp.core.liveness import is_alive
from gaslamp.environment.findings import Findings
from gaslamp.environment.fitness import require_fit
from gaslamp.remote import bundle, lines, unpack
from gaslamp.remote.driver import RETRY, CommandFailed, Lease, RemoteError
from gaslamp.remote.image import enter_image, get_prefix
from gaslamp.remote.place import get_folder_name
from gaslamp.remote.preflight import check_remote
from gaslamp.remote.session import explain, read_error
from gaslamp.remote.setup import FIND_PYTHON
from gaslamp.remote.task import read_task
from gaslamp.remote.there import SUPERVISED, find_job, stop
from machines import CPU
from remote_stands.waiting import PATIENCE, wait_until


def test_a_line_is_found_among_what_programs_print(capsys: pytest.CaptureFixture[str]) -> None:
    sent = lines.Job(state="running", key="k é", step=20, metrics=5)
    lines.write(lines.Job(state="none", key=""))
    lines.write(sent)
    said = ["Welcome!", "{not json", '{"a": 1}', *capsys.readouterr().out.splitlines(), "bye"]
    assert lines.parse(said, lines.Job) == sent
    assert all(line.isascii() for line in said[3:5]), "whatever the locale over there is"


@pytest.mark.parametrize(
    "said",
    [
        [],
        ["hello"],
        ['{"gaslamp": "SETUP_OK"}'],
        ['{"gaslamp": "JOB", "state": "running"}'],
        ['{"gaslamp": "JOB", "a": 1}'],
        ['{"gaslamp": "JOB", "state": "paused", "key": "k"}'],
        ['{"gaslamp": "JOB", "state": "running", "key": "k", "metrics": -5}'],
        ['{"gaslamp": "JOB", "state": "running", "key": "k", "seconds": NaN}'],
    ],
)
def test_a_missing_or_other_line_is_an_error_that_is_tried_again(said: list[str]) -> None:
    with pytest.raises(RemoteError) as caught:
        lines.parse(said, lines.Job)
    assert caught.value.kind == "network" and RETRY[caught.value.kind] == "again" and "JOB" in caught.value.cause


def run_unpack(folder: Path, *arguments: str) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, "-I", unpack.__file__, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr


def test_only_what_is_missing_is_sent_and_only_what_is_listed_is_placed(tmp_path: Path) -> None:
    content = {"scripts/a.py": b"a", "scripts/deep/b.py": b"b", "data/train.jsonl": b"{}\n", "scripts/old.py": b"old"}
    manifest = {name: sha256_bytes(data) for name, data in content.items() if "old" not in name}
    for name in ("scripts/a.py", "scripts/old.py", ".gaslamp/seals/data.seal.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content.get(name, b"{}"))
    (tmp_path / "own.txt").write_text("of the run there", encoding="utf-8")
    (tmp_path / "there").mkdir()
    (tmp_path / "there/manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, missing = run_unpack(tmp_path, "missing", "there/manifest.json")
    assert code == 0 and missing == ["data/train.jsonl", "scripts/deep/b.py"]

    bundle.write_archive(tmp_path / "there/one.tar.gz", {name: content[name] for name in missing})
    first = (tmp_path / "there/one.tar.gz").read_bytes()
    bundle.write_archive(tmp_path / "again.tar.gz", {name: content[name] for name in missing})
    assert (tmp_path / "again.tar.gz").read_bytes() == first, "the same parts are the same bytes"
    assert run_unpack(tmp_path, "place", "there/manifest.json", "there/one.tar.gz") == (0, [])
    assert {name: (tmp_path / name).read_bytes() for name in manifest} == {name: content[name] for name in manifest}
    assert not (tmp_path / "scripts/old.py").exists() and (tmp_path / "own.txt").is_file()
    assert not (tmp_path / ".gaslamp/seals/data.seal.json").exists() and not (tmp_path / "there/one.tar.gz").exists()


def test_wrong_bytes_and_foreign_names_are_not_placed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/m.json").write_text(json.dumps({"a": sha256_bytes(b"a"), "b": sha256_bytes(b"b")}))
    bundle.write_archive(tmp_path / "there/x.tar.gz", {"a": b"other", "b": b"b"})
    assert run_unpack(tmp_path, "place", "there/m.json", "there/x.tar.gz") == (0, ["a"])
    assert not (tmp_path / "a").exists() and (tmp_path / "b").read_bytes() == b"b"
    bundle.write_archive(tmp_path / "there/y.tar.gz", {"../evil": b"x"})
    code, said = run_unpack(tmp_path, "place", "there/m.json", "there/y.tar.gz")
    assert code == 4 and "not of the bundle: ../evil" in said and not (tmp_path.parent / "evil").exists()
    bundle.write_archive(tmp_path / "whole.tar.gz", {"a": os.urandom(50_000)})
    (tmp_path / "there/cut.tar.gz").write_bytes((tmp_path / "whole.tar.gz").read_bytes()[:20_000])
    code, said = run_unpack(tmp_path, "place", "there/m.json", "there/cut.tar.gz")
    assert code == 4 and "Error" in said and not (tmp_path / "a").exists()


def test_a_task_knows_what_goes_and_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data/test.jsonl", "data/template.json", "outputs/main/adapters/x", "t/toolchain.json", "c.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("{}", encoding="utf-8")
    command = "scripts/evaluate_model.py --test data/test.jsonl --template data/template.json --adapters "
    command += "outputs/main/adapters --config c.yaml --out outputs/main/eval/p.jsonl --log logs/main/evaluate_x.log"
    task = read_task([*command.split(), "--toolchain", "t/toolchain.json"])
    assert [str(place) for place in task.inputs] == ["data/test.jsonl", "data/template.json", "outputs/main/adapters"]
    assert task.outputs == ["outputs/main/eval/p.jsonl"] and task.name == "main.evaluate_x" and not task.is_training
    assert bundle.CONFIG in task.there and "c.yaml" not in task.there and task.needs_llamacpp == "t/toolchain.json"
    training = read_task(["scripts/train_model.py", "--metrics", "m", "--adapters", "a", "--facts", "f"])
    assert training.outputs == ["a", "f"] and training.is_training
    outside = read_task(["scripts/x.py", "--rows", str(tmp_path.parent), "--out", "o"])
    with pytest.raises(GaslampError, match="lies outside of the project"):
        assert outside.inputs


def test_the_config_there_has_its_own_backend_and_no_way_back(tmp_path: Path) -> None:
    config = {"backend": "ssh", "remote": {"host": "h", "user": "u"}, "train": {"max_steps": 3}, "plan": {}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    made = yaml.safe_load(bundle.make_config(tmp_path / "c.yaml", "cuda"))
    assert made == {"backend": "cuda", "train": {"max_steps": 3}}


def test_pictures_go_with_the_rows_and_the_raw_files_stay(tmp_path: Path) -> None:
    for name in (
        "data/train.jsonl",
        "data/images/a.png",
        "data/raw/private.csv",
        "data/first/train.jsonl",
        "data/.x/y",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    found = bundle.get_input(tmp_path, Path("data/train.jsonl"))
    assert sorted(found) == ["data/images/a.png", "data/train.jsonl"]


FOUND = {"user": "1000 1000", "hf": "/home/u/.cache/huggingface", "cache": "/home/u/.cache/gaslamp"}
MOUNTED = "-v /home/u/gaslamp:/home/u/gaslamp -v /home/u/.cache/huggingface:/home/u/.cache/huggingface"


@pytest.mark.parametrize(
    ("found", "words", "absent"),
    [
        ({"engine": "docker"}, ["docker run --rm -i", MOUNTED, "--user 1000:1000", "-w /home/u/gaslamp/p"], ["--gpus"]),
        ({"engine": "docker", "gpu": "yes"}, ["--gpus all", "--ipc host", "--pid host"], ["--userns"]),
        ({"engine": "docker", "user": "0 0"}, ["-e HF_HOME=/home/u/.cache/huggingface"], ["--user"]),
        ({"engine": "podman", "gpu": "yes"}, ["--userns keep-id", "--device nvidia.com/gpu=all"], ["--gpus"]),
        (
            {"engine": "apptainer", "gpu": "yes"},
            ["apptainer exec --cleanenv", "--nv", "--bind /home/u/gaslamp:/home/u/gaslamp", "docker://org/image:1"],
            ["--pid", "--user"],
        ),
    ],
)
def test_an_engine_gets_folders_caches_user_and_gpu(found: dict[str, str], words: list[str], absent: list[str]) -> None:
    prefix = " ".join(get_prefix("org/image:1", "/home/u/gaslamp", "/home/u/gaslamp/p", {**FOUND, **found}))
    assert prefix.endswith("org/image:1") and all(word in prefix for word in words), prefix
    assert not any(word in prefix for word in absent), prefix


class Engines:
    """A machine with programs of these names; the first of ``answers`` that a command holds is what it prints."""

    def __init__(self, answers: dict[str, list[str] | int]) -> None:
        self.lease = Lease(driver="ssh", name="h", machine="gpu7", folder="/home/u/gaslamp/p", started="2026-01-01")
        self.answers, self.ran = answers, list[str]()

    def run(self, command: list[str], timeout: float, stdin: str = "") -> list[str]:
        self.ran.append(" ".join(command))
        for mark, said in self.answers.items():
            if mark in self.ran[-1]:
                if isinstance(said, int):
                    raise CommandFailed(command, said, "Error: manifest unknown")
                return said
        return []


def test_an_image_is_fetched_once_and_what_cannot_run_it_is_named() -> None:
    facts = [f"{key} {value}" for key, value in FOUND.items()]
    machine: Any = Engines({"for name in": ["silent docker: Cannot connect to the daemon", "engine podman", *facts]})
    kept: list[Lease] = []
    inside = enter_image(machine, "org/image:1", kept.append)
    assert kept == [machine.lease] and any("podman pull -q org/image:1" in one for one in machine.ran)
    inside.run(["python3", "x.py"], 5)
    assert machine.ran[-1].startswith("podman run --rm") and machine.ran[-1].endswith("org/image:1 python3 x.py")
    before = len(machine.ran)
    enter_image(machine, "org/image:1", kept.append)
    assert len(machine.ran) == before, "the next step finds it in the lease"
    assert enter_image(machine, None, kept.append) is machine
    for answers, cause in (
        ({"for name in": facts}, "has none of docker, podman, apptainer, singularity"),
        (
            {"for name in": ["silent docker: permission denied", *facts]},
            "no container engine answers on gpu7: docker: p",
        ),
        ({"for name in": ["engine docker", *facts], "pull -q": 125}, "docker cannot run org/image:1 on gpu7"),
    ):
        broken: Any = Engines(answers)
        with pytest.raises(GaslampError) as caught:
            enter_image(broken, "org/image:1", kept.append)
        assert cause in caught.value.cause and caught.value.fix


@pytest.mark.parametrize(
    ("system", "backend", "cause"),
    [
        ({"gpus": []}, "cuda", "GPU"),
        ({"gpus": [{"name": "K", "vram_gb": 4.0}]}, "cuda", "its largest GPU has 4.0 GB; 6 are the least"),
        ({"disk_free_gb": 1.0}, "cpu", "3.0 GB of disk are needed, 1.0 are free there"),
        ({}, "cpu", None),
    ],
)
def test_a_machine_is_judged_before_anything_is_installed(system: dict[str, Any], backend: str, cause: str) -> None:
    facts: Any = {**CPU, **system}
    if cause is None:
        require_fit(facts, backend, 3.0)
        return
    with pytest.raises(GaslampError) as caught:
        require_fit(facts, backend, 3.0)
    assert cause in caught.value.cause


@pytest.mark.parametrize(
    ("backend", "remote", "words"),
    [
        ("colab", {"driver": "notebook", "image": "org/image:1"}, "the driver notebook runs no container images"),
        ("colab", {"driver": "notebook", "hf_token": True}, "remote.hf_token is true and HF_TOKEN is not set"),
        ("ssh", {"backend": "mac", "evaluate": "there"}, "in an environment that only trains"),
        ("ssh", {}, "remote.host is not set"),
    ],
)
def test_the_preflight_names_what_cannot_work(
    backend: str, remote: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    config = Config.model_validate({"backend": backend, "remote": remote})
    found = Findings()
    request: Any = SimpleNamespace(settings=parse_slice(get_slice(config, "backend", "project", "remote")))
    check_remote(request, found)
    assert any(words in problem.cause and problem.fix for problem in found.problems), found.problems


def test_an_error_over_there_keeps_its_cause_and_fixes() -> None:
    said = "step 3\n" + str(GaslampError("the loss is NaN\nat step 3", "lower it", "look at row 7")) + "\n"
    assert read_error(said) == ("the loss is NaN\nat step 3", "lower it", "look at row 7")
    assert read_error("Traceback: error: x") is None
    lease = Lease(driver="ssh", name="h", machine="h (gpu7)", folder="/x", started="2026-01-01T00:00:00+00:00")
    full = explain(CommandFailed(["python"], 1, "OSError: [Errno 28] No space left on device"), lease)
    assert isinstance(full, RemoteError) and full.kind == "disk" and not full.retry


HOLD = """import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print(1, flush=True)
    time.sleep(600)
"""


def test_a_job_runs_on_when_the_clock_is_set_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its process seems to be a later one then; the lock of its supervisor is held, and it can be stopped."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".gaslamp" / "there" / "job"
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", HOLD, str(folder / SUPERVISED)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout and supervisor.stdout.readline() == b"1\n"
        job = {"key": "k", "pid": supervisor.pid, "started": time.time() - 2 * 86400}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        assert find_job("job", None).state == "running"
        stop("job")
        assert lines.parse(capsys.readouterr().out.splitlines(), lines.Stopped).ended == ["job"]
        assert supervisor.wait(PATIENCE) == -signal.SIGTERM and find_job("job", None).state == "killed"
    stop("job")
    assert lines.parse(capsys.readouterr().out.splitlines(), lines.Stopped).ended == []


def test_a_python_of_uv_is_found_without_a_login_shell(tmp_path: Path) -> None:
    """``uv python install`` is the printed fix; sshd starts a shell that does not know the folder of uv."""
    own = tmp_path / ".local" / "bin" / "python3.13"
    own.parent.mkdir(parents=True)
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    own.chmod(0o755)
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(["/bin/sh", "-c", FIND_PYTHON], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"{own}\n"


def test_projects_at_one_place_on_two_computers_have_two_folders_there(tmp_path: Path) -> None:
    """Name and place were all: in containers both are alike, and the second ended the training of the first."""
    project = tmp_path / "ein Größter"
    project.mkdir()
    first = get_folder_name(project)
    assert first == get_folder_name(project) and re.fullmatch(r"ein-Gr-ter-[0-9a-f]{8}", first)
    shutil.copytree(project, tmp_path / "copy" / project.name)
    shutil.rmtree(project)
    project.mkdir()  # as on another computer
    assert len({first, get_folder_name(project), get_folder_name(tmp_path / "copy" / project.name)}) == 3
    long = tmp_path / ("x" * 250)
    long.mkdir()
    assert get_folder_name(long).startswith("x" * 80 + "-")


def test_a_job_runs_once_however_often_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a connection that ended after the start, by two processes at home: one run for a key; a newer key ends it."""
    monkeypatch.chdir(tmp_path)
    command = "import time, pathlib\nwith open('begun', 'a') as out: out.write('x')\n"
    Path("wait.py").write_text(command + "while not pathlib.Path('go').exists(): time.sleep(0.05)\n", encoding="utf-8")
    code = "import sys; from gaslamp.remote.there import supervise; supervise('job', sys.argv[1], ['wait.py'])"

    def start(key: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code, key])

    def has_begun(times: int) -> bool:
        return Path("begun").is_file() and len(Path("begun").read_text(encoding="utf-8")) == times

    same = [start("a") for _ in range(3)]
    try:
        wait_until(lambda: sum(one.poll() is not None for one in same) == 2 and has_begun(1), "one of three runs")
        assert find_job("job", None).state == "running"
        newer = start("b")
        assert [one.wait(PATIENCE) for one in same] == [0, 0, 0]
        wait_until(lambda: has_begun(2), "the newer one runs")
    finally:
        Path("go").touch()
    assert newer.wait(PATIENCE) == 0
    job = find_job("job", None)
    assert (job.key, job.state) == ("b", "finished") and has_begun(2)


@pytest.mark.parametrize("with_supervisor", [False, True])
def test_what_a_killed_command_left_behind_is_ended_before_the_next_start(
    with_supervisor: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a training on several GPUs does, whose first process alone is killed: the others would go on."""
    monkeypatch.chdir(tmp_path)
    rank = "import time, pathlib, os; pathlib.Path(f'rank-{os.getpid()}').touch(); time.sleep(600)"
    Path("lead.py").write_text(
        f"import subprocess, sys, pathlib\nif pathlib.Path('again').exists(): sys.exit()\n"
        f"subprocess.Popen([sys.executable, '-c', {rank!r}]).wait()\n",
        encoding="utf-8",
    )
    code = "import sys; from gaslamp.remote.there import supervise; supervise('job', 'a', ['lead.py'])"
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: list(tmp_path.glob("rank-*")), "the second process runs")
    pid = int(next(tmp_path.glob("rank-*")).name[5:])
    job = json.loads(Path(".gaslamp/there/job/job.json").read_text(encoding="utf-8"))
    if with_supervisor:
        supervisor.kill()
        supervisor.wait()
    os.kill(job["child"]["pid"], signal.SIGKILL)
    if not with_supervisor:
        assert supervisor.wait(PATIENCE) == 0 and not is_alive(pid, time.time())
    assert find_job("job", None).state == "killed"
    Path("again").touch()
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=PATIENCE).returncode == 0
    assert not is_alive(pid, time.time()) and find_job("job", None).state == "finished"

"""Wrong input through the commands a person types: exit code, cause and fix, and nothing half-written."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import tiny
from gaslamp.core import files
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json, write_text

SCRIPTS = sorted(path.name for path in (tiny.ROOT / "scripts").glob("*.py"))
HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "pandas", "numpy", "matplotlib")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project before its first run, on the tiny model."""
    folder = tmp_path_factory.mktemp("fresh")
    model = tiny.write_checkpoint(folder / "tiny-chat")
    return tiny.bake(folder / "projects", tiny.write_rows(folder / "notes.csv"), model, tiny.SETTINGS)


@pytest.fixture
def project(fresh: Path, tmp_path: Path) -> Path:
    return tiny.copy_project(fresh, tmp_path)


def list_results(project: Path) -> set[str]:
    """What runs write: everything that is neither the generated project nor Snakemake's own records."""
    places = ("outputs", "data", "resources", "checkpoints", "demos", "logs")
    found = {
        path.relative_to(project).as_posix()
        for place in places
        for path in (project / place).rglob("*")
        if path.is_file()
    }
    return {
        name
        for name in found
        if not name.startswith("data/raw/") and not name.endswith((".gitkeep", ".log")) and name != "logs/phases.jsonl"
    }


def refuse(project: Path, *targets: str, **variables: str) -> str:
    """What ``snakemake --profile cpu`` says when it must fail."""
    done = tiny.snakemake(project, *targets, **variables)
    text = tiny.get_rules_error(done)
    assert done.returncode != 0, text
    assert "error: " in text and "usual fix:" in text and "Traceback" not in text, text
    return text


def test_words_in_braces_are_no_wildcards(project: Path) -> None:
    """A system prompt may show a form; the tokens of a codec are one by default."""
    tiny.set_config(
        project,
        **{"data.system": "Reply as {name}: { city }, {{x}} or \\{y,z}.", "data.speech.tokens": "<|s{book}_{code}|>"},
    )
    assert "prepare_data" in tiny.get_jobs(project)


# ------------------------------------------------------------------------------------ before anything runs: the config


@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        (
            {"train.learning_rte": 0.1},
            [r"config.yaml, line \d+: unknown key 'train.learning_rte'; did you mean 'learning_rate'\?"],
        ),
        (
            {"train.batch_size": 0, "export.levels": ["q9"]},
            ["2 problems in the config", "train.batch_size = 0", "export.levels"],
        ),
        ({"data.source": "data/raw/absent.csv"}, [r"data/raw/absent.csv: no such file or folder \(looked in "]),
        ({"data.source": "data/raw/empty.csv"}, [r"data/raw/empty.csv is empty \(0 bytes\)"]),
        ({"model.source": "../no-model"}, [r"\.\./no-model is not a model folder: .*config.json is missing"]),
        ({"model.source": "nonsense"}, ["'nonsense' is neither embedded:NAME, a folder that exists, nor a hub id"]),
        ({"model.source": "embedded:other"}, ["there is no embedded model .other."]),
        ({"method": "dpoo"}, ["there is no method 'dpoo'"]),
        ({"run": "../out"}, ["run = "]),
    ],
    ids=str,
)
def test_a_wrong_config_stops_the_dry_run_too(project: Path, settings: dict[str, Any], messages: list[str]) -> None:
    (project / "data/raw/empty.csv").touch()
    tiny.set_config(project, **settings)
    for arguments in ((), ("--dry-run",)):
        text = refuse(project, *arguments)
        for message in messages:
            assert re.search(message, text), text
    assert list_results(project) == set()


def test_the_line_is_the_real_one(project: Path) -> None:
    text = (project / "config.yaml").read_text()
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines, 1) if line.strip().startswith("learning_rate:"))
    (project / "config.yaml").write_text(text.replace("learning_rate:", "learning_rat:"))
    assert f"config.yaml, line {at}: unknown key 'train.learning_rat'" in refuse(project)


def test_a_config_that_is_no_yaml(project: Path) -> None:
    (project / "config.yaml").write_text("train: [\n")
    done = tiny.run("make", "run", cwd=project)
    assert done.returncode != 0 and "config.yaml is not valid YAML" in done.stderr and list_results(project) == set()


# ---------------------------------------------------------------------------------------------------- the data phase


@pytest.mark.parametrize(
    ("name", "data", "messages"),
    [
        (
            "broken.csv",
            "prompt,completion\n" + "a,b\n" * 12 + "one\n" + "c,d,e\n",
            ["broken.csv, line 14: 1 cells", "broken.csv, line 15: 3 cells"],
        ),
        # its encoding is detected, so that only the number of rows is wrong
        ("latin.csv", b"prompt,completion\ncaf\xe9,ok\n", ["latin.csv has 1 rows"]),
        ("blank.csv", "\n\n", ["blank.csv is empty"]),
        ("few.csv", "prompt,completion\na,b\n", ["has 1 rows"]),
        (
            "odd.csv",
            "foo,bar\n" + "".join(f"a{n},b\n" for n in range(20)),
            ["no format fits the columns foo, bar", "data.columns"],
        ),
        ("image.png", b"\x89PNG", ["files that end in '.png' cannot be read"]),
        (
            "bad.jsonl",
            "".join(
                json.dumps({"prompt": f"p{n}", "completion": "" if n in (3, 7) else "x"}) + "\n" for n in range(20)
            ),
            ["2 problems in the data", "bad.jsonl, line 4: column 'completion' is empty", "bad.jsonl, line 8"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 else "",
)
def test_wrong_data_is_reported_row_by_row(
    finished: Path, tmp_path: Path, name: str, data: str | bytes, messages: list[str]
) -> None:
    project = tiny.copy_project(finished, tmp_path)
    before = list_results(project)
    phase = [project / file for file in ("data/train.jsonl", "data/card.json", "data/template.json")]
    earlier = [file.read_bytes() for file in phase]
    (project / "data/raw" / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    tiny.set_config(project, **{"data.source": f"data/raw/{name}"})
    text = refuse(project, "data/train.jsonl")
    for message in messages:
        assert message in text, text
    after = list_results(project)
    new = {file for file in after - before if "/reflection/" not in file}  # what a failed run teaches
    assert not new, "nothing of the data phase"
    left = [file.read_bytes() for file in phase if file.is_file()]
    assert left in ([], earlier), "no half of a data phase: the earlier one as it was (stopped at the gate), or nothing"


def test_a_model_folder_without_a_template(project: Path, tmp_path: Path) -> None:
    model = tiny.write_checkpoint(tmp_path / "base-model", template=None)
    tiny.set_config(project, **{"model.source": str(model)})
    assert "has no chat template: it is a base model" in refuse(project, "data/train.jsonl")
    assert "data/train.jsonl" not in list_results(project)


def test_a_hub_id_without_a_network(project: Path, tmp_path: Path) -> None:
    tiny.set_config(project, **{"model.source": "tiny-org/absent-1B"})
    text = refuse(project, "data/train.jsonl", HF_HUB_CACHE=str(tmp_path / "hub"))
    assert "cannot download tiny-org/absent-1B" in text and not [
        name for name in list_results(project) if name.startswith("resources")
    ]


# ------------------------------------------------------------------------------------------------------------ serving


def test_a_taken_port_is_passed_over_and_said(finished: Path, tmp_path: Path) -> None:
    project = tiny.copy_project(finished, tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        serve = sys.executable, "scripts/serve_model.py", "start", "--tuned-alone", "--port", str(port)
        done = tiny.run(*serve, cwd=project)
        try:
            assert done.returncode == 0, tiny.get_rules_error(done)
            state = json.loads((project / "outputs/serve.json").read_text())
            assert f"port {port} is taken, using {state['port']}" in done.stdout and state["port"] > port
            listening = [
                item.laddr.ip
                for item in psutil.Process(state["pid"]).net_connections("inet")
                if item.status == psutil.CONN_LISTEN
            ]
            assert listening and set(listening) == {"127.0.0.1"}
        finally:
            stopped = tiny.run(sys.executable, "scripts/serve_model.py", "stop", cwd=project)
    assert "server stopped" in stopped.stdout and not psutil.pid_exists(state["pid"])
    again = tiny.run(sys.executable, "scripts/serve_model.py", "stop", cwd=project)
    assert again.returncode == 0 and "no server of this project is running" in again.stdout


def test_serving_before_a_run_or_of_a_failed_gate(project: Path, finished: Path, tmp_path: Path) -> None:
    done = tiny.run(sys.executable, "scripts/serve_model.py", "start", cwd=project)
    assert done.returncode == 1 and "parity.json is missing" in done.stderr and "usual fix" in done.stderr
    copy = tiny.copy_project(finished, tmp_path / "copy")
    file = copy / "outputs/main/gguf/parity.json"
    write_json(file, {**json.loads(file.read_text()), "passed": False, "summary": "it bites"})
    done = tiny.run(sys.executable, "scripts/serve_model.py", "start", cwd=copy)
    assert (
        done.returncode == 1
        and "the parity check failed, so there is nothing to serve: it bites" in done.stderr
        and not (copy / "outputs/serve.json").exists()
    )
    done = tiny.run(
        sys.executable,
        "scripts/serve_model.py",
        "start",
        "--level",
        "q2_k",
        cwd=tiny.copy_project(finished, tmp_path / "other"),
    )
    assert done.returncode == 1 and "there is no level q2_k" in done.stderr


# ------------------------------------------------------------------------------------------------------------ writing


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GaslampError) as caught:
        write_text(tmp_path / "file" / "out.json", "x")
    assert "cannot write" in caught.value.cause and "chmod" in caught.value.fix
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_project(project: Path) -> None:
    os.chmod(project / "outputs", 0o500)
    try:
        assert "cannot write" in refuse(project, "outputs/env/preflight.json")
    finally:
        os.chmod(project / "outputs", 0o700)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", {"old": True})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_json(tmp_path / "a.json", {"new": True})
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": True} and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("task", ["!!!", "***///", "\U0001f999"])
def test_a_project_name_of_symbols(tmp_path: Path, task: str) -> None:
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        tiny.ROOT,
        "--directory",
        "cookiecutter-template",
        "--no-input",
        "--output-dir",
        tmp_path / "out",
    ]
    (tmp_path / "out").mkdir()
    done = tiny.run(*command, f"task={task}", cwd=tmp_path)
    assert (
        done.returncode != 0
        and "no project name can be made from the task" in tiny.get_rules_error(done)
        and not list((tmp_path / "out").iterdir())
    )


# --------------------------------------------------------------------------------------------------------- light start

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in %r:
            raise AssertionError(f"{name} was imported")
sys.meta_path.insert(0, Blocker())
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_needs_nothing_heavy(script: str, tmp_path: Path) -> None:
    code = (
        BLOCKER % (HEAVY,)
        + "import runpy; sys.path.insert(0, 'scripts'); sys.argv = [sys.argv[1], '--help']; "
        + "runpy.run_path('scripts/' + sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, script],
        cwd=tiny.ROOT,
        env=tiny.get_environ(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and "usage:" in done.stdout and not done.stderr, done.stderr


def test_the_dry_run_imports_no_torch(finished: Path, tmp_path: Path) -> None:
    """A site folder in front of the path blocks the heavy packages for Snakemake and all it starts."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        BLOCKER % (tuple(name for name in HEAVY if name not in ("pandas", "numpy", "matplotlib")),)
    )
    done = tiny.start_snakemake(finished, "--dry-run", PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 0 and "Nothing to be done" in tiny.get_rules_error(done), tiny.get_rules_error(done)
    proof = subprocess.run(
        [sys.executable, "-c", "import torch"],
        env=tiny.get_environ(tmp_path, PYTHONPATH=str(tmp_path / "site")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert proof.returncode != 0 and "torch was imported" in proof.stderr, "the blocker blocks"


def test_copies_are_whole(finished: Path, tmp_path: Path) -> None:
    """What these tests rest on: a copied project is as finished as the first."""
    copy = tiny.copy_project(finished, tmp_path)
    assert tiny.get_jobs(copy) == {}
    shutil.rmtree(copy)

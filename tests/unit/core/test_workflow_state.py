"""Whether a run works in a project: a killed one never blocks, a living one is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from gaslamp.core import workflow_state
from gaslamp.core.errors import GaslampError
from gaslamp.core.liveness import OWNER, is_step_alive, read_owner
from gaslamp.core.workflow_state import (
    claim,
    find_owner,
    find_run,
    is_locked,
    release_stale_lock,
    require_free,
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With a lock of Snakemake."""
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.input.lock").touch()
    return tmp_path


@pytest.fixture
def other(project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the project that looks like Snakemake."""
    script = project / "snakemake"
    script.write_text("import time\ntime.sleep(600)\n")
    process = subprocess.Popen([sys.executable, str(script), "--profile", "cpu"], cwd=project)
    yield process
    process.kill()
    process.wait()


NO_NUMBERS = ('{"pid": "x", "started": 1}', '{"pid": 1, "started": null}', '{"pid": -5, "started": 1}')
DAMAGED = ["", "[]", "{}", "null", "{", *NO_NUMBERS]


@pytest.mark.parametrize("text", [None, *DAMAGED])
def test_a_lock_without_a_living_owner_is_released(project: Path, text: str | None) -> None:
    if text is not None:
        (project / OWNER).write_text(text)
    require_free(project)
    assert not find_owner(project)()
    assert release_stale_lock(project) and not is_locked(project)


def test_bytes_that_are_no_text_are_no_owner(project: Path) -> None:
    (project / OWNER).write_bytes(b"\xff\xfe\x00")
    assert read_owner(project) is None and release_stale_lock(project)


def test_a_run_that_has_not_claimed_the_project_yet_keeps_its_lock(
    project: Path, other: subprocess.Popen[bytes]
) -> None:
    (project / OWNER).write_text(json.dumps({"pid": 2**22 + 1, "started": 1.0}))
    found = find_run(project)
    assert found and found[0] == other.pid
    assert not release_stale_lock(project) and is_locked(project)
    with pytest.raises(GaslampError, match=f"a run of this project is alive: process {other.pid}, since") as caught:
        require_free(project)
    assert f"kill {other.pid}" in str(caught.value)
    other.kill()
    other.wait()
    assert release_stale_lock(project)


def test_a_clock_that_is_set_ends_no_training(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it every process seems to have started at another time than the one that was recorded."""
    parent = psutil.Process(os.getppid())
    (project / OWNER).write_text(json.dumps({"pid": parent.pid, "started": parent.create_time()}))
    is_gone = find_owner(project)
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: 9e9)
    assert not is_gone()
    (project / OWNER).unlink()
    assert not find_owner(project)(), "started by hand"


def test_a_run_elsewhere_is_none_of_this_project(project: Path, other: subprocess.Popen[bytes], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert find_run(tmp_path / "elsewhere") is None


def test_this_run_keeps_its_own_lock(project: Path) -> None:
    claim(project)
    assert read_owner(project) is not None and json.loads((project / OWNER).read_text())["pid"] == os.getpid()
    assert not release_stale_lock(project)
    require_free(project)


@pytest.mark.parametrize(
    ("host", "boot", "is_other"), [("node7", "b", True), ("node7", "a", False), (None, "b", False)]
)
def test_a_run_of_another_machine_keeps_its_lock(
    project: Path, monkeypatch: pytest.MonkeyPatch, host: str | None, boot: str, is_other: bool
) -> None:
    """A shared folder; a container with a new name, and this machine after a restart, are no other machines."""
    here = workflow_state.get_machine()["host"]
    facts = {"pid": 2**22 + 1, "started": 1.0, "host": host or here, "boot": boot}
    (project / OWNER).write_text(json.dumps(facts))
    monkeypatch.setattr(workflow_state, "get_machine", lambda: {"host": here, "boot": "a"})
    assert release_stale_lock(project) != is_other
    if not is_other:
        require_free(project)
        return
    with pytest.raises(GaslampError, match="was started on node7, another machine") as caught:
        require_free(project)
    assert "--unlock" in caught.value.fix


def test_a_step_on_another_node_lives_as_long_as_the_run(project: Path) -> None:
    claim(project)
    start = {"time": "2026-01-01T00:00:00+00:00", "pid": 2**22 + 1}
    assert not is_step_alive(start, project) and is_step_alive({**start, "node": "node7"}, project)
    (project / OWNER).write_text(json.dumps({"pid": 2**22 + 1, "started": 1.0}))
    assert not is_step_alive({**start, "node": "node7"}, project)

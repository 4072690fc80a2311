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
from gaslamp.core.errors import GaslampError
from gaslamp.core.workflow_state import (
    OWNER,
    claim,
    find_owner,
    find_run,
    is_locked,
    read_owner,
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

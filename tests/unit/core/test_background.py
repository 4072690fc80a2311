"""A run without a terminal: started once, found, stopped with its work saved."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from gaslamp.core import background
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.core.foreground import follow

WORKER = """#!{python}
import signal, subprocess, sys, time
from pathlib import Path
if "--step" not in sys.argv:
    Path("arguments").write_text(" ".join(sys.argv[1:]))
    step = subprocess.Popen([sys.executable, __file__, "--step"])
    signal.signal(signal.SIGINT, lambda *_: None)
    print("working", flush=True)
    step.wait()
else:
    def save(*_):
        Path("saved").write_text("checkpoint")
        sys.exit(0)
    signal.signal(signal.SIGINT, save)
    Path("ready").touch()
    time.sleep(600)
"""


def wait_for(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project folder, and a program that stands in for Snakemake."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "snakemake"
    program.write_text(WORKER.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setattr(background, "sys", SimpleNamespace(executable=str(tmp_path / "bin" / "python")))
    folder = tmp_path / "project"
    folder.mkdir()
    yield folder
    background.stop(folder)


def test_two_starts_are_one_run_and_stop_saves_its_work(project: Path) -> None:
    assert background.find(project) is None and background.stop(project) is None
    found: list[tuple[background.Run, bool]] = []
    threads = [threading.Thread(target=lambda: found.append(background.start(project, "cpu", ["a"]))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(is_new for _, is_new in found) == [False, True]
    assert found[0][0]["pid"] == found[1][0]["pid"] == background.find(project)["pid"]
    wait_for((project / "ready").exists)
    assert (project / "arguments").read_text() == "--profile cpu a"
    assert (project / "logs/background.log").read_text() == "working\n"
    stopped = background.stop(project)
    assert stopped == found[0][0] and background.find(project) is None
    wait_for((project / "saved").exists)
    assert background.read_last(project)["pid"] == stopped["pid"], "how it was started is kept"


def test_a_run_of_a_terminal_is_found_and_a_dead_one_is_not(project: Path) -> None:
    import psutil

    owner = project / ".snakemake" / "gaslamp_owner.json"
    owner.parent.mkdir()
    write_json(owner, {"pid": os.getpid(), "started": psutil.Process().create_time()})
    assert background.find(project) == {"pid": os.getpid(), "started": read_json(owner)["started"], "log": None}
    assert background.start(project, "cpu") == (background.find(project), False)
    write_json(owner, {"pid": os.getpid(), "started": psutil.Process().create_time() - 60})
    assert background.find(project) is None, "another process got its number"
    owner.write_text("{broken")
    (project / ".gaslamp" / "background.json").write_text("[]")
    assert background.find(project) is None and background.read_last(project) is None


def test_without_snakemake_the_fix_is_named(project: Path) -> None:
    (project.parent / "bin" / "snakemake").unlink()
    with pytest.raises(GaslampError, match="snakemake is not next to") as refused:
        background.start(project, "cpu")
    assert refused.value.fix == "make setup"


STEP = """
import sys
from pathlib import Path
from gaslamp.core.console import step
from gaslamp.core.errors import GaslampError
with step("logs/prepare_data.log"):
    if sys.argv[1] == "fail":
        raise GaslampError("data/raw/a.csv, row 7: three cells", "write two cells", "another delimiter")
if sys.argv[1] == "early":
    sys.exit(1)
"""


@pytest.mark.parametrize(
    ("how", "cause", "fix"),
    [
        ("fail", "prepare_data: data/raw/a.csv, row 7: three cells", "write two cells"),
        ("early", "Snakemake ended before a step that leads to early failed", "the standard error says why"),
        ("well", "", ""),
    ],
)
def test_a_failure_in_the_foreground_is_that_of_its_step(
    how: str, cause: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    (tmp_path / "step.py").write_text(STEP, encoding="utf-8")
    command = [sys.executable, "step.py"]
    if not cause:
        follow(command, how)
        return
    with pytest.raises(GaslampError) as caught:
        follow(command, how)
    assert caught.value.cause == cause and caught.value.fix.startswith(fix)
    if how == "fail":
        assert caught.value.less_likely == "another delimiter"

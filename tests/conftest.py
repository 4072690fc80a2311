"""What is dear to make is made once for all tests: the tiny model,
and one project that went through the whole graph.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from gaslamp.core.threads import prepare_process
from warm import get_server


def pin_worker() -> None:
    """One core for each of pytest's parallel workers and all that it starts:
    two that share cores wait for each other's threads.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getvalue("dist") == "loadfile":
        from scheduling import UnitScheduling

        return UnitScheduling(config, log)
    return None


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell without job control ignores Ctrl-C for what it starts in the background, and every program that the tests
    # start would too
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # the same of a closed terminal, with nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
for name in ("ARGS", "MAKEFLAGS", "MFLAGS"):  # those of `make test` are not those of the commands that the tests run
    os.environ.pop(name, None)
os.environ["GASLAMP_ANSWERS"] = "off"  # what an earlier version of the code answered proves nothing
pin_worker()
prepare_process()  # before any test imports torch, as every script does


@pytest.fixture(autouse=True)
def own_memory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes to the memory of the person who runs it."""
    if "GASLAMP_HOME" not in os.environ or not Path(os.environ["GASLAMP_HOME"]).is_relative_to(
        tmp_path_factory.getbasetemp()
    ):
        monkeypatch.setenv("GASLAMP_HOME", str(tmp_path_factory.getbasetemp() / "gaslamp_home"))


@pytest.fixture(scope="module")
def warm_converter() -> Iterator[None]:
    """llama.cpp's converter from a process that has torch loaded, for files with many conversions."""
    from gaslamp.export.llamacpp import convert

    program = str(get_server("converter").write_program())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "sys", SimpleNamespace(executable=program, platform=sys.platform))
        yield


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with ChatML; tests read it and leave it as it is."""
    return tiny.write_checkpoint(tmp_path_factory.mktemp("model") / "tiny-chat")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose whole graph ran for real on a tiny model of its own; whoever edits it puts it back."""
    folder = tmp_path_factory.mktemp("finished")
    model = tiny.write_checkpoint(folder / "tiny-chat")
    data = tiny.write_rows(folder / "notes.csv")
    project = tiny.bake(folder / "projects", data, model, tiny.SETTINGS)
    done = tiny.snakemake(project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    (project / "first_run.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    return project

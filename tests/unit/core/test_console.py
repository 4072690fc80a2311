"""A step is named after its log; its start, end and errors are recorded, and the log has every error."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from gaslamp.core import progress_file
from gaslamp.core.console import get_step_name, say, step
from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.core.liveness import PROGRESS

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "logs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_events() -> list[dict[str, object]]:
    return [json.loads(line) for line in Path("logs/phases.jsonl").read_text().splitlines()]


def test_the_name_is_the_stem_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_step_name("logs/main/evaluate_model_tuned.log") == "evaluate_model_tuned"
    assert get_step_name(Path("logs/main/convert_companion_mmproj-f16.gguf.log")) == "convert_companion_mmproj-f16.gguf"
    monkeypatch.setattr("sys.argv", ["scripts/detect_env.py", "--backend", "cpu"])
    assert get_step_name(None) == "detect_env"


def test_a_step_is_recorded_with_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled(), step("logs/main/train_model.log"):
        print("from a library")
    start, end = read_events()
    assert (start["step"], start["event"], start["log"]) == ("train_model", "start", "logs/main/train_model.log")
    assert (end["step"], end["event"], end["status"], end["error"]) == ("train_model", "end", "ok", None)
    assert Path("logs/main/train_model.log").read_text() == "from a library\n"


@pytest.mark.parametrize("redirect", [True, False])
def test_a_bug_leaves_its_traceback_in_the_log(redirect: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled(), pytest.raises(GaslampError) as caught, step("logs/measure_gguf.log", redirect=redirect):
        raise KeyError("level")
    assert "step measure_gguf failed: KeyError: 'level'" in caught.value.cause
    assert "logs/measure_gguf.log" in caught.value.fix
    log = Path("logs/measure_gguf.log").read_text()
    assert "Traceback" in log and "KeyError: 'level'" in log
    assert read_events()[-1]["status"] == "failed" and read_events()[-1]["error"] == caught.value.cause


@pytest.mark.parametrize("redirect", [True, False])
def test_an_error_for_the_user_is_in_the_log_too(redirect: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled(), pytest.raises(GaslampError), step("logs/measure_gguf.log", redirect=redirect):
        raise GaslampError("no disk space", "free some")
    assert "error: no disk space" in Path("logs/measure_gguf.log").read_text()
    assert read_events()[-1]["error"] == "no disk space"


def test_an_interrupt_is_no_failure() -> None:
    with pytest.raises(Interrupted), step("logs/train_model.log"):
        raise Interrupted("stopped after step 3", "run the same command again")
    assert (read_events()[-1]["status"], read_events()[-1]["error"]) == ("interrupted", "stopped after step 3")


SPEAKER = """
import sys
from pathlib import Path
from gaslamp.core.console import say, step
with step(Path("a_step.log")):
    for number in range(2000):
        say(f"line {number} " + "x" * 200)
    Path("done.txt").write_text("whole")
"""


def test_a_reader_that_leaves_does_not_end_a_step(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SPEAKER],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(90) == 0, errors
    assert (tmp_path / "done.txt").read_text() == "whole" and errors == b""


def test_lines_of_a_node_reach_the_terminal_of_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole lines in order, each once; half a line waits for its end, and a lost file ends no step."""
    monkeypatch.setenv(PROGRESS, str(progress_file.FILE.resolve()))
    with step("logs/main/train_model.log"):
        say("lost: nobody follows yet")
    assert read_events()[0]["node"] == platform.node()
    progress_file.FILE.parent.mkdir()
    with step("logs/main/train_model.log"):
        say("step 1 of 2")
        say("step 2 of 2")
    capsys.readouterr()
    with progress_file.FILE.open("a") as handle:
        handle.write("half")
    place = progress_file.print_new(progress_file.FILE, 0)
    assert capsys.readouterr().out == "[train_model] step 1 of 2\n[train_model] step 2 of 2\n"
    assert progress_file.print_new(progress_file.FILE, place) == place
    with progress_file.FILE.open("a") as handle:
        handle.write(" a line\n")
    progress_file.print_new(progress_file.FILE, place)
    assert capsys.readouterr().out == "half a line\n"

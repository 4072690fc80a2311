"""The progress log and the closing table: figures from facts, at most 80 columns, no traceback for what is missing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import facts
import pytest
from gaslamp.core.attempts import get_phases, read_attempts
from gaslamp.core.contracts import now
from gaslamp.core.files import read_json, write_json, write_text
from gaslamp.evaluate.unbeaten import NO_TRAINING
from gaslamp.pages.markdown import find_placeholders
from gaslamp.report.roadbook.progress import render_progress
from gaslamp.report.summary import describe_times, get_console, show_failure, show_summary

ROOT = Path(__file__).parents[3]


def run(root: Path, *flags: str) -> str:
    command = [sys.executable, str(ROOT / "scripts/show_summary.py"), "--run", "main", *flags]
    return subprocess.run(
        command, cwd=root, check=True, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    ).stdout


def test_attempts_are_kept_apart(tmp_path: Path) -> None:
    facts.write_run(tmp_path)
    phases = get_phases(read_attempts(tmp_path / "logs/phases.jsonl"))
    assert [[attempt.status for attempt in tries] for tries in phases] == [["ok"], ["killed", "ok"], ["failed"]]


def test_progress_log(tmp_path: Path) -> None:
    facts.write_run(tmp_path)
    text = render_progress(read_attempts(tmp_path / "logs/phases.jsonl"))
    assert find_placeholders(text) == []
    assert "| train_model | ok | 2026-11-20 10:05:00 | 4 min 0 s | 2 | 2.8 GB |" in text
    assert "no disk \\| space second line" in text and "its process ended without logging an end" in text
    assert "No step has run yet" in render_progress([])


def test_running_steps_and_a_cut_line(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        lines = [{"step": "train", "event": "start", "time": now(), "pid": child.pid}]
        lines += [{"step": "write_progress", "event": "start", "time": now(), "pid": os.getpid()}]
        # the same number, but started long before this process was born
        lines += [{"step": "old", "event": "start", "time": "2020-01-01T00:00:00+00:00", "pid": child.pid}]
        write_text(tmp_path / "p.jsonl", "".join(json.dumps(line) + "\n" for line in lines) + '{"step": "tr')
        statuses = {attempt.step: attempt.status for attempt in read_attempts(tmp_path / "p.jsonl")}
        child.communicate(b"\n")
    assert statuses == {"train": "running", "old": "killed"}


@pytest.mark.parametrize("failed", [False, True])
def test_an_empty_project_gives_no_traceback(tmp_path: Path, failed: bool) -> None:
    text = run(tmp_path, *(["--failed"] if failed else []))
    assert "Traceback" not in text
    assert ("same command" in text) == failed


def test_summary_is_plain_and_narrow(tmp_path: Path) -> None:
    facts.write_run(tmp_path)
    for name in (
        "demos/main/index.html",
        "gaslamp.md",
        "outputs/main/gguf/model-q8_0.gguf",
        "outputs/main/gguf/Modelfile",
    ):
        write_text(tmp_path / name, "x")
    warnings = [f"tuned is better than base, but not than copying (92 %){NO_TRAINING}", "only 12 test rows"]
    gate = {"passed": True, "verdict": "better", "summary": "", "blocking": [], "warnings": warnings}
    write_json(tmp_path / "outputs/main/eval/verdict.json", gate)
    text = run(tmp_path)
    assert "only 12 test rows" in text and "copying" not in text, "the headline says the other one"
    source = read_json(tmp_path / "data/card.json")["source"]
    assert ("your own data" in text) == source.startswith("embedded:")
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    for shown in (
        "95.5 %",
        "92.5 to 98.5",
        "q8_0 *",
        "145 MB",
        "98.5 %",
        "unseen items",
        "recommended: q8_0",
        "train_model 4 min 0 s",
        "make deploy",
    ):
        assert shown in text, shown
    for path in ("demos/main/index.html", "gaslamp.md", "outputs/main/gguf/model-q8_0.gguf"):
        assert path in text


def test_the_longest_steps_come_first_and_the_short_ones_together() -> None:
    timed = [
        ("detect_env", 1.2),
        ("train_model", 240.0),
        ("evaluate_model_base", 60.0),
        ("reflect", 0.4),
        ("merge", 30.0),
    ]
    line = describe_times(timed)
    assert line.startswith(
        "time: train_model 4 min 0 s, evaluate_model_base 1 min 0 s, merge 30 s, 2 shorter steps 1.6 s;"
    )
    assert line.endswith("; all 5 min 32 s (steps may overlap)")
    assert describe_times([("train_model", 240.0), ("reflect", 0.4)]).count("reflect 0.4 s") == 1


def test_results_of_earlier_data_are_not_shown(tmp_path: Path) -> None:
    facts.write_run(tmp_path)
    ago = time.time() - 60
    os.utime(tmp_path / "outputs/main/eval/compare.json", (ago, ago))
    text = run(tmp_path)
    assert "The results of main are older than its data: make run brings them up to date." in text
    assert "95.5 %" not in text and "make deploy" not in text


def test_hostile_headline_is_printed_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts.write_run(tmp_path, hostile=True)
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    show_summary("main", get_console(out))
    assert "[red]" not in out.getvalue() and "alert(1)" in out.getvalue()


def test_failure_names_step_log_and_way_on(tmp_path: Path) -> None:
    facts.write_run(tmp_path)
    lines = [f"line {number}" for number in range(20)]
    write_text(tmp_path / "logs/main/convert_gguf_f16.log", "\n".join(lines) + "\n\n  5%|#\r 50%|##\r no space left\n")
    text = run(tmp_path, "--failed")
    assert "convert_gguf_f16 failed: no disk | space" in text and "same command" in text
    shown = text[text.index("end of logs/main/convert_gguf_f16.log:") :]
    assert "line 19" in shown and "line 8\n" not in shown, "the last twelve lines"
    assert " no space left" in shown and "50%" not in shown, "a progress bar's last state"
    assert "train_model killed" not in text
    assert "| convert_gguf_f16 | failed |" in (tmp_path / "progress_log.md").read_text()


def test_a_stopped_run_gets_two_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept, and the command that goes on; a step of an earlier run that failed is not of this one."""
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "config.yaml", "run: main\n")

    def write(step: str, status: str, minute: int, **more: str) -> str:
        common = {"step": step, "pid": 999999999, "time": f"2026-01-01T00:{minute:02}:00+00:00"}
        lines = ({**common, "event": "start"}, {**common, "event": "end", "status": status, **more})
        return "".join(json.dumps(line) + "\n" for line in lines)

    old = write("convert_gguf_f16", "failed", 1, error="no disk space") + write("prepare_data", "ok", 2)
    reached = "training stopped at step 5 of 9 (SIGINT); checkpoint-5 is saved"
    stopped = write("train_model", "interrupted", 31, error=reached)
    begun = datetime.fromisoformat("2026-01-01T00:30:00+00:00").timestamp()
    write_text(tmp_path / ".snakemake/gaslamp_owner.json", json.dumps({"pid": 999999999, "started": begun}))
    write_text(tmp_path / "logs/phases.jsonl", old + stopped)
    out = io.StringIO()
    assert show_failure("b", get_console(out), "deploy")
    assert out.getvalue().splitlines() == [
        f"stopped in train_model; kept: 1 finished steps; {reached}",
        "Run the same command again to go on: make deploy RUN=b",
    ]
    write_text(tmp_path / "logs/phases.jsonl", old + stopped + write("evaluate_model_base", "failed", 32, error="full"))
    out = io.StringIO()
    assert not show_failure("b", get_console(out)) and "evaluate_model_base failed: full" in out.getvalue()


def test_a_later_run_of_a_step_starts_a_new_count(tmp_path: Path) -> None:
    lines = [line for line in facts.PHASES if line["step"] == "prepare_data"] * 2
    write_text(tmp_path / "p.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert [len(tries) for tries in get_phases(read_attempts(tmp_path / "p.jsonl"))] == [1]

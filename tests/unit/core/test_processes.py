"""One training in two processes: the steps of one process with twice the batch, one writer, one decision to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny
import training
from gaslamp.config.schema import Config
from gaslamp.config.slices import write_config
from gaslamp.core import threads
from gaslamp.core.contracts import TrainFacts
from gaslamp.core.events import get_history, read_events
from warm import get_step_python

SCRIPT = Path(__file__).parents[3] / "scripts" / "train_model.py"
VALUES: dict[str, Any] = {
    "learning_rate": 0.02,
    "max_steps": 8,
    "batch_size": 4,
    "gradient_accumulation": 1,
    "warmup_steps": 0,
    "scheduler": "constant",
    "adam_beta2": 0.95,
    "max_length": 128,
    "lora": {"r": 16, "alpha": 32},
}


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training.write_base(
        tmp_path_factory.mktemp("processes"), tiny_model, {"conversation": training.ROWS["conversation"]}
    )


def start(base: Path, place: Path, **changes: Any) -> subprocess.Popen[str]:
    place.mkdir(exist_ok=True)
    file = write_config(Config.model_validate({"train": VALUES | changes}), place)
    command = [
        sys.executable if "processes" in changes else str(get_step_python()),
        str(SCRIPT),
        f"--config={file}",
        f"--model={base / 'model.json'}",
        f"--train={base / 'conversation.train.jsonl'}",
        f"--valid={base / 'conversation.valid.jsonl'}",
        f"--template={base / 'template.json'}",
        f"--checkpoints={place / 'checkpoints'}",
        f"--metrics={place / 'metrics.jsonl'}",
        f"--adapters={place / 'adapters'}",
        f"--facts={place / 'train.json'}",
        f"--log={place / 'train.log'}",
    ]
    return subprocess.Popen(
        command,
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=tiny.get_environ(place / "home", OMP_WAIT_POLICY="passive"),
    )


def finish(process: subprocess.Popen[str], place: Path) -> list[float]:
    said, _ = process.communicate(timeout=300)
    log = place / "train.log"
    assert process.returncode == 0, said + (log.read_text()[-3000:] if log.is_file() else "")
    return [step["loss"] for step in get_history(read_events(place / "metrics.jsonl"))]


def test_two_processes_are_one_training(base: Path, tmp_path: Path) -> None:
    one = finish(start(base, tmp_path / "one", batch_size=8), tmp_path / "one")
    process = start(base, tmp_path / "two", processes=2)
    two = finish(process, tmp_path / "two")
    assert two == pytest.approx(one, rel=0.01), "the same rows in a step, whoever reads them"
    events = read_events(tmp_path / "two" / "metrics.jsonl")
    assert [event["event"] for event in events].count("start") == 1 and len(
        [event for event in events if event["event"] == "step"]
    ) == 8
    facts = TrainFacts.read(tmp_path / "two" / "train.json")
    assert facts.steps == 8 and (tmp_path / "two" / "adapters" / "adapter_model.safetensors").is_file()
    assert (tmp_path / "two" / "train.process1.log").is_file()


def test_two_processes_stop_and_go_on_together(base: Path, tmp_path: Path) -> None:
    process = start(base, tmp_path / "run", processes=2, max_steps=300)
    until = time.monotonic() + 240
    while (
        not (tmp_path / "run" / "metrics.jsonl").is_file()
        or len(get_history(read_events(tmp_path / "run" / "metrics.jsonl"))) < 3
    ):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode != 0 and "run the same command: it resumes from there" in said, said
    done = get_history(read_events(tmp_path / "run" / "metrics.jsonl"))[-1]["step"]
    assert sorted((tmp_path / "run" / "checkpoints").glob(f"*/checkpoint-{done}"))
    again = start(base, tmp_path / "run", processes=2, max_steps=300)
    finish(again, tmp_path / "run")
    events = read_events(tmp_path / "run" / "metrics.jsonl")
    assert [event["resumed_from"] for event in events if event["event"] == "start"] == [0, done] and TrainFacts.read(
        tmp_path / "run" / "train.json"
    ).steps == 300


@pytest.mark.parametrize(
    ("cores", "loads", "wish", "patience", "value", "reason"),
    [
        (2, [3.0], None, 0, "2, active while they wait", "the machine is idle (3 % used by other processes)"),
        (2, [50.0], None, 0, "2, passive while they wait", "other processes use 50 % of the processor for 0.5 s"),
        (2, [90.0, 50.0, 4.0], None, 8, "2, active while they wait", "idle after 1.5 s (4 % used"),  # a step that ended
        (2, [90.0, 60.0, 50.0], None, 1.5, "2, passive while they wait", "use 50 % of the processor for 1.5 s"),
        (1, [], None, 8, "1, active while they wait", "this process has one core"),
        (2, [], "active", 8, "2, active while they wait", "set by OMP_WAIT_POLICY"),
    ],
)
def test_threads_sleep_where_others_compute(
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    loads: list[float],
    wish: str | None,
    patience: float,
    value: str,
    reason: str,
) -> None:
    left = list(loads)
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": wish} if wish else {})
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: left.pop(0))
    monkeypatch.setattr(threads, "_chosen", {})
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    chosen = threads.prepare_process(patience)
    assert chosen.value == value and reason in chosen.reason and left == []
    assert os.environ.get("OMP_WAIT_POLICY") == (wish or ("passive" if "passive" in value else None))
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert threads.prepare_process(patience) == chosen, "torch has read it"
